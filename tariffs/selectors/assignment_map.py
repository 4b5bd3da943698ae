"""Who pays what at a location, and why; and assignments that can never win."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import ContractType
from common import clock
from locations.models import ChargePoint, Connector, Location
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.resolution import shadows
from tariffs.errors import NoVatRate
from tariffs.models import TariffAssignment, TariffVersion
from tariffs.selectors.in_force import versions_in_force
from tariffs.selectors.price_card import price_card
from tariffs.selectors.resolution import (
    Customer,
    Resolution,
    candidate_of,
    places_of,
    resolve_for_customers,
)
from tariffs.selectors.vat import vat_percent
from tariffs.trace_words import assignment_sentence, trace_rows

Channel = TariffAssignment.Channel


@dataclass(frozen=True)
class Reason:
    """Why these kinds of customer pay this: the candidates as `trace_rows` says them, the same for all of them."""

    customers: tuple[str, ...]
    trace: list[dict[str, Any]]


@dataclass(frozen=True)
class PriceRow:
    """Customers who pay the same tariff by the same assignment. No version: they cannot charge here."""

    customers: tuple[str, ...]
    version: TariffVersion | None
    sentence: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class ConnectorRows:
    """Connectors at which everybody pays the same."""

    connectors: tuple[Connector, ...]
    rows: tuple[PriceRow, ...]

    @property
    def power_class(self) -> str:
        return str(Connector.PowerClass(self.connectors[0].power_class).label)


@dataclass(frozen=True)
class Shadowed:
    """An assignment that never wins, because `by` is valid for the same people, place and time and goes before it."""

    assignment: TariffAssignment
    by: TariffAssignment
    words: str


@dataclass(frozen=True)
class AssignmentMap:
    location: Location
    groups: tuple[ConnectorRows, ...]
    shadowed: tuple[Shadowed, ...]


def assignment_map(location: Location, *, at: datetime) -> AssignmentMap:
    """The prices of every connector of a location for an ad hoc customer and every contract type, at a moment.

    Seven queries, however many connectors, contract types and assignments there are.
    """
    connectors = list(
        Connector.objects.filter(charge_point__location=location)
        .exclude(charge_point__admission=ChargePoint.Admission.RETIRED)
        .select_related("charge_point__location")
        .order_by("charge_point__identity", "number")
    )
    kinds = [(contract_type.name, contract_type) for contract_type in ContractType.objects.order_by("name")]
    ad_hoc = Customer(None, None, Channel.AD_HOC)
    customers = [ad_hoc] + [
        Customer(kind.pk, kind.customer_group_id, channel)
        for _name, kind in kinds
        for channel in (Channel.RFID, Channel.APP)
    ]
    found = resolve_for_customers(connectors=connectors, customers=customers, at=at)
    sentences = _Sentences(location, at)
    groups: dict[tuple[Any, ...], list[Connector]] = {}
    rows_of: dict[tuple[Any, ...], tuple[PriceRow, ...]] = {}
    for connector in connectors:
        answers: list[tuple[str, Resolution | None]] = [(_("Ad hoc, without a contract"), found[connector.pk, ad_hoc])]
        for name, kind in kinds:
            rfid, app = (
                found[connector.pk, Customer(kind.pk, kind.customer_group_id, channel)]
                for channel in (Channel.RFID, Channel.APP)
            )
            if _same(rfid, app):
                answers.append((name, rfid))
            else:
                answers += [
                    (_("%(contract)s, by card") % {"contract": name}, rfid),
                    (_("%(contract)s, in the app") % {"contract": name}, app),
                ]
        key = (
            connector.power_class,
            *((name, resolution and resolution.trace_key) for name, resolution in answers),
        )
        groups.setdefault(key, []).append(connector)
        if key not in rows_of:
            rows_of[key] = _rows(answers, sentences)
    return AssignmentMap(
        location=location,
        groups=tuple(ConnectorRows(tuple(same), rows_of[key]) for key, same in groups.items()),
        shadowed=tuple(shadowed_assignments(at=at, connectors=connectors)),
    )


def shadowed_assignments(*, at: datetime, connectors: Sequence[Connector] | None = None) -> list[Shadowed]:
    """Assignments not over by `at` that can never win; `connectors`: only those at their places. Two queries.

    Only an assignment for the same place, power class and customers can shadow another; it does where its validity
    covers the other's and its priority is higher, or where everything is the same and it was entered later.
    """
    rows = TariffAssignment.objects.select_related(
        "tariff", "customer_group", "contract_type", "region", "location", "charge_point", "connector__charge_point"
    )
    if connectors is not None:
        rows = rows.filter(places_of(connectors))
    alive = [row for row in rows if row.valid_until is None or row.valid_until > at]
    by_place: dict[tuple[Any, ...], list[TariffAssignment]] = {}
    for row in alive:
        place = (row.scope, row.country, row.region_id, row.location_id, row.charge_point_id, row.connector_id)
        who = (row.power_class, row.contract_type_id, row.customer_group_id, row.channel)
        by_place.setdefault((place, who), []).append(row)
    rivals = [same for same in by_place.values() if len(same) > 1]
    if not rivals:
        return []
    priced = set(versions_in_force(at).values_list("tariff_id", flat=True))
    return [shadow for same in rivals for shadow in _shadows_among(same, priced)]


def _shadows_among(same: Sequence[TariffAssignment], priced: Iterable[int]) -> list[Shadowed]:
    found = []
    for lower in same:
        above = [
            upper
            for upper in same
            if upper.pk != lower.pk and upper.tariff_id in priced and shadows(candidate_of(upper), candidate_of(lower))
        ]
        if above:
            by = max(above, key=lambda row: (row.priority, row.pk))
            tied = (by.priority, by.valid_from, by.valid_until) == (lower.priority, lower.valid_from, lower.valid_until)
            form = _("“%(lower)s” never applies: “%(upper)s” has a higher priority for the same customers and time.")
            if tied:
                form = _(
                    "“%(lower)s” never applies: “%(upper)s” is for the same customers and time, and was entered later."
                )
            words = form % {"lower": assignment_sentence(lower), "upper": assignment_sentence(by)}
            found.append(Shadowed(lower, by, words))
    return found


def _same(one: Resolution | None, other: Resolution | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.assignment.pk == other.assignment.pk


def _rows(answers: Sequence[tuple[str, Resolution | None]], sentences: "_Sentences") -> tuple[PriceRow, ...]:
    merged: dict[int | None, list[tuple[str, Resolution | None]]] = {}
    for name, resolution in answers:
        merged.setdefault(resolution.assignment.pk if resolution else None, []).append((name, resolution))
    return tuple(
        PriceRow(
            customers=tuple(name for name, _resolution in same),
            version=same[0][1].version if same[0][1] else None,
            sentence=sentences.of(same[0][1]),
            reasons=_reasons(same),
        )
        for same in merged.values()
    )


def _reasons(same: Sequence[tuple[str, Resolution | None]]) -> tuple[Reason, ...]:
    names: dict[tuple[tuple[int, str], ...], list[str]] = {}
    traces: dict[tuple[tuple[int, str], ...], list[dict[str, Any]]] = {}
    for name, found in same:
        if found is not None:
            names.setdefault(found.trace_key, []).append(name)
            traces[found.trace_key] = found.trace
    return tuple(Reason(tuple(who), trace_rows(traces[key])) for key, who in names.items())


class _Sentences:
    """Price sentences at one location, each version's worked out once."""

    def __init__(self, location: Location, at: datetime) -> None:
        self._known: dict[int, str] = {}
        self._percent: Decimal | None = None
        self._refusal = ""
        try:
            self._percent = vat_percent(location.country, clock.local_date(at, location.time_zone))
        except NoVatRate as error:
            self._refusal = error.message

    def of(self, resolution: Resolution | None) -> str:
        if resolution is None:
            return _("No tariff applies: charging cannot start. Assign one.")
        if self._percent is None:
            return self._refusal
        version = resolution.version
        if version.pk not in self._known:
            spec = parse_tariff_text(version.document)
            self._known[version.pk] = price_card(spec, self._percent, tariff_version_id=version.pk).sentence
        return self._known[version.pk]
