"""Finding the tariff of a connector for a customer at a moment, with the reasons."""

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
    assignments = {assignment.pk: assignment for assignment in _assignments_at(connector)}
    group_id: int | None = None
    if contract is not None:
        group_id = contract.driver.customer_group_id or contract.contract_type.customer_group_id
    question = Question(
        power_class=connector.power_class,
        contract_type_id=contract.contract_type_id if contract else None,
        customer_group_id=group_id,
        channel=channel,
        at=at,
    )
    ordered, excluded = in_order([_candidate(assignment) for assignment in assignments.values()], question)
    versions = _versions_in_force({assignments[row.assignment_id].tariff_id for row in ordered}, at)
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
        raise NoTariff
    by_id = {assignment.pk: _candidate(assignment) for assignment in assignments.values()}
    trace.extend(_trace_row(by_id[assignment_id], reason) for assignment_id, reason in excluded.items())
    assignment = assignments[winner.assignment_id]
    return Resolution(version=versions[assignment.tariff_id], assignment=assignment, trace=trace)


def _assignments_at(connector: Connector) -> list[TariffAssignment]:
    charge_point = connector.charge_point
    location = charge_point.location
    here = (
        Q(scope="network")
        | Q(scope="country", country=location.country)
        | Q(scope="region", region=location.region_id)
        | Q(scope="location", location=location.pk)
        | Q(scope="charge_point", charge_point=charge_point.pk)
        | Q(scope="connector", connector=connector.pk)
    )
    return list(TariffAssignment.objects.filter(here).select_related("tariff"))


def _versions_in_force(tariff_ids: set[int], at: datetime) -> dict[int, TariffVersion]:
    versions = TariffVersion.objects.filter(
        tariff_id__in=tariff_ids, status=TariffVersion.Status.PUBLISHED, valid_from__lte=at
    ).select_related("tariff")
    return {version.tariff_id: version for version in versions.order_by("valid_from", "number")}


def _candidate(assignment: TariffAssignment) -> Candidate:
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
