"""Finding the tariff of a connector for a customer at a moment, with the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from accounts.models import Contract
from locations.models import Connector
from tariffs.domain.resolution import Candidate, Question, decided_by, in_order, lost_by
from tariffs.errors import NoTariff
from tariffs.models import TariffAssignment, TariffVersion
from tariffs.selectors.in_force import versions_in_force


@dataclass(frozen=True)
class Customer:
    """A kind of customer, as assignments tell them apart. No contract type and no group: nobody in particular."""

    contract_type_id: int | None
    group_id: int | None
    channel: str


@dataclass(frozen=True)
class Resolution:
    """The version that applies and why: `trace` has one row per candidate, the winner first."""

    version: TariffVersion
    assignment: TariffAssignment
    trace: list[dict[str, Any]]

    @property
    def trace_key(self) -> tuple[tuple[int, str], ...]:
        """Equal for equal answers by the same candidates."""
        return tuple((row["assignment"], row["result"]) for row in self.trace)


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
    customer = customer_of(contract, channel)
    found = resolve_for_customers(connectors=connectors, customers=[customer], at=at)
    return {connector.pk: found[connector.pk, customer] for connector in connectors}


def resolve_for_customers(
    *, connectors: Sequence[Connector], customers: Sequence[Customer], at: datetime
) -> dict[tuple[int, Customer], Resolution | None]:
    """The same for every connector and every kind of customer, in two queries."""
    assignments = list(
        TariffAssignment.objects.filter(places_of(connectors)).select_related(
            "tariff", "customer_group", "contract_type", "region", "location", "charge_point",
            "connector__charge_point",
        )
    )  # fmt: skip
    in_force = versions_in_force(at, tariff_ids={assignment.tariff_id for assignment in assignments})
    versions = {version.tariff_id: version for version in in_force.select_related("tariff")}
    public = next(
        (row.customer_group_id for row in assignments if row.customer_group and row.customer_group.is_public), None
    )
    found: dict[tuple[int, Customer], Resolution | None] = {}
    for connector in connectors:
        here = {assignment.pk: assignment for assignment in assignments if covers(assignment, connector)}
        for customer in customers:
            is_nobody = customer.contract_type_id is None and customer.group_id is None
            question = Question(
                power_class=connector.power_class,
                contract_type_id=customer.contract_type_id,
                customer_group_id=public if is_nobody else customer.group_id,
                channel=customer.channel,
                at=at,
            )
            found[connector.pk, customer] = _resolve(here, versions, question)
    return found


def customer_of(contract: Contract | None, channel: str) -> Customer:
    """The kind of customer a contract makes (None: nobody in particular)."""
    if contract is None:
        return Customer(None, None, channel)
    group_id = contract.driver.customer_group_id or contract.contract_type.customer_group_id
    return Customer(contract.contract_type_id, group_id, channel)


def _resolve(
    assignments: dict[int, TariffAssignment], versions: dict[int, TariffVersion], question: Question
) -> Resolution | None:
    by_id = {pk: candidate_of(assignment) for pk, assignment in assignments.items()}
    ordered, excluded = in_order(by_id.values(), question)
    winner: Candidate | None = None
    trace: list[dict[str, Any]] = []
    for candidate in ordered:
        assignment = assignments[candidate.assignment_id]
        if assignment.tariff_id not in versions:
            trace.append(_trace_row(assignment, "no_published_version"))
        elif winner is None:
            winner = candidate
            trace.insert(0, _trace_row(assignment, "applies"))
        else:
            by = decided_by(winner, candidate)
            trace.append(_trace_row(assignment, lost_by(winner, candidate)) | {"decided_by": by})
    if winner is None:
        return None
    trace.extend(_trace_row(assignments[assignment_id], reason) for assignment_id, reason in excluded.items())
    assignment = assignments[winner.assignment_id]
    return Resolution(version=versions[assignment.tariff_id], assignment=assignment, trace=trace)


def places_of(connectors: Sequence[Connector]) -> Q:
    """Assignments whose place includes one of the connectors."""
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


def _trace_row(assignment: TariffAssignment, result: str) -> dict[str, Any]:
    """What the reader of a stored trace needs, however the assignment is changed later. `only` is what it names."""
    place = assignment.connector or assignment.charge_point or assignment.location or assignment.region
    named = {
        "power_class": assignment.power_class,
        "contract_type": assignment.contract_type and assignment.contract_type.name,
        "customer_group": assignment.customer_group and assignment.customer_group.name,
        "channel": assignment.channel,
        "valid_from": assignment.valid_from.isoformat() if result == "not_yet_valid" else None,
        "valid_until": assignment.valid_until.isoformat() if assignment.valid_until else None,
    }
    return {
        "assignment": assignment.pk,
        "tariff": assignment.tariff.code,
        "scope": assignment.scope,
        "place": str(place) if place else assignment.country,
        "priority": assignment.priority,
        "result": result,
        "only": {key: value for key, value in named.items() if value},
    }
