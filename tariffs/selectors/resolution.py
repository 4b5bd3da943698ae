"""Finding the tariff of a connector for a customer at a moment, with the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from accounts.models import Contract
from locations.models import Connector
from tariffs.domain.resolution import Candidate, Question, in_order
from tariffs.errors import NoTariff
from tariffs.models import TariffAssignment, TariffVersion


@dataclass(frozen=True)
class Resolution:
    """The version that applies and why: `trace` has one row per candidate, the winner first."""

    version: TariffVersion
    assignment: TariffAssignment
    trace: list[dict[str, Any]]


def resolve_tariff(*, connector: Connector, contract: Contract | None, channel: str, at: datetime) -> Resolution:
    """The tariff version in force at `at` for this connector and customer (None: nobody in particular).

    Two queries whatever the number of candidates. Raises NoTariff: a missing tariff is an error, never free.
    """
    resolution = resolve_tariffs(connectors=[connector], contract=contract, channel=channel, at=at)[connector.pk]
    if resolution is None:
        raise NoTariff
    return resolution


def resolve_tariffs(
    *, connectors: Sequence[Connector], contract: Contract | None, channel: str, at: datetime
) -> dict[int, Resolution | None]:
    """The same for many connectors, by connector id, in two queries; None where no tariff applies.

    Give connectors with their charge point and its location loaded.
    """
    assignments = list(TariffAssignment.objects.filter(_places_of(connectors)).select_related("tariff"))
    versions = _versions_in_force({assignment.tariff_id for assignment in assignments}, at)
    group_id: int | None = None
    if contract is not None:
        group_id = contract.driver.customer_group_id or contract.contract_type.customer_group_id
    return {
        connector.pk: _resolve(
            {assignment.pk: assignment for assignment in assignments if covers(assignment, connector)},
            versions,
            Question(
                power_class=connector.power_class,
                contract_type_id=contract.contract_type_id if contract else None,
                customer_group_id=group_id,
                channel=channel,
                at=at,
            ),
        )
        for connector in connectors
    }


def _resolve(
    assignments: dict[int, TariffAssignment], versions: dict[int, TariffVersion], question: Question
) -> Resolution | None:
    by_id = {pk: candidate_of(assignment) for pk, assignment in assignments.items()}
    ordered, excluded = in_order(by_id.values(), question)
    winner: Candidate | None = None
    trace: list[dict[str, Any]] = []
    for candidate in ordered:
        if assignments[candidate.assignment_id].tariff_id not in versions:
            trace.append(_trace_row(candidate, "no_published_version"))
        elif winner is None:
            winner = candidate
            trace.insert(0, _trace_row(candidate, "applies"))
        else:
            trace.append(_trace_row(candidate, "less_specific"))
    if winner is None:
        return None
    trace.extend(_trace_row(by_id[assignment_id], reason) for assignment_id, reason in excluded.items())
    assignment = assignments[winner.assignment_id]
    return Resolution(version=versions[assignment.tariff_id], assignment=assignment, trace=trace)


def _places_of(connectors: Sequence[Connector]) -> Q:
    charge_points = {connector.charge_point_id: connector.charge_point for connector in connectors}.values()
    locations = [charge_point.location for charge_point in charge_points]
    return (
        Q(scope="network")
        | Q(scope="country", country__in={location.country for location in locations})
        | Q(scope="region", region__in={location.region_id for location in locations})
        | Q(scope="location", location__in={location.pk for location in locations})
        | Q(scope="charge_point", charge_point__in={charge_point.pk for charge_point in charge_points})
        | Q(scope="connector", connector__in={connector.pk for connector in connectors})
    )


def covers(assignment: TariffAssignment, connector: Connector) -> bool:
    """Whether the assignment's place includes the connector. Give it with its charge point and location loaded."""
    location = connector.charge_point.location
    return {
        "network": True,
        "country": assignment.country == location.country,
        "region": assignment.region_id == location.region_id,
        "location": assignment.location_id == location.pk,
        "charge_point": assignment.charge_point_id == connector.charge_point_id,
        "connector": assignment.connector_id == connector.pk,
    }[assignment.scope]


def _versions_in_force(tariff_ids: set[int], at: datetime) -> dict[int, TariffVersion]:
    versions = TariffVersion.objects.filter(
        tariff_id__in=tariff_ids, status=TariffVersion.Status.PUBLISHED, valid_from__lte=at
    ).select_related("tariff")
    return {version.tariff_id: version for version in versions.order_by("valid_from", "number")}


def candidate_of(assignment: TariffAssignment) -> Candidate:
    """The assignment as the written order compares it. Give it with its tariff loaded."""
    return Candidate(
        assignment_id=assignment.pk,
        tariff_code=assignment.tariff.code,
        scope=assignment.scope,
        power_class=assignment.power_class,
        contract_type_id=assignment.contract_type_id,
        customer_group_id=assignment.customer_group_id,
        channel=assignment.channel,
        valid_from=assignment.valid_from,
        valid_until=assignment.valid_until,
        priority=assignment.priority,
    )


def _trace_row(candidate: Candidate, result: str) -> dict[str, Any]:
    return {
        "assignment": candidate.assignment_id,
        "tariff": candidate.tariff_code,
        "scope": candidate.scope,
        "priority": candidate.priority,
        "result": result,
    }
