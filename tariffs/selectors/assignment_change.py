"""What changing one assignment does to others: who is left without a price, which tariff comes where it may not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import ContractType, Driver
from common import clock
from locations.models import Connector
from tariffs.domain.findings import WARNING, Finding, listed
from tariffs.domain.lint_places import LintContext, place_findings
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.resolution import Candidate, Question, in_order, mismatch
from tariffs.models import TariffAssignment, TariffVersion
from tariffs.selectors.lint import all_assignments, as_saved, is_fast_ad_hoc
from tariffs.selectors.reach import connectors_at
from tariffs.selectors.resolution import Customer, candidate_of, covers

Channel = TariffAssignment.Channel
# Of all moments to come at which some price begins or ends, so many are looked at.
MOST_MOMENTS = 24


@dataclass(frozen=True)
class _Place:
    """Connectors that no assignment tells apart, and what covers them before and after the change."""

    connectors: tuple[Connector, ...]
    before: tuple[Candidate, ...]
    after: tuple[Candidate, ...]


# The published versions of each tariff by its code, in the order in which they take over from one another.
_Versions = Mapping[str, Sequence[TariffVersion]]


def findings_elsewhere(assignment: TariffAssignment) -> list[Finding]:
    """What saving this assignment would bring to others than its own tariff, at each change of prices from now on.

    A warning names the connectors and the customers that would be left without a tariff, an error another tariff that
    ad hoc customers would pay where it is not allowed. Translated. The assignment may be new. At most six queries and
    one for the tariffs found, however many connectors.
    """
    before = all_assignments()
    changed = as_saved(assignment)
    old = next((row for row in before if row.pk == changed.pk), None)
    after = [changed, *(row for row in before if row.pk != changed.pk)]
    touched = [changed] if old is None else [old, changed]
    places = _places(touched, before, after)
    if not places:
        return []
    versions = _versions(after)
    customers = _customers(after)
    public = next((row.customer_group_id for row in after if row.customer_group and row.customer_group.is_public), None)
    moments = _moments(touched, [*before, changed], versions)
    own = [candidate_of(row) for row in touched]
    lost: dict[tuple[datetime, tuple[str, ...]], list[Connector]] = defaultdict(list)
    exposed: dict[int, set[Connector]] = defaultdict(set)
    for place in places:
        known: set[Customer] = set()
        for at in moments:
            left_out: list[Customer] = []
            for customer in customers:
                question = _question(place.connectors[0], customer, public, at)
                if customer in known or all(mismatch(candidate, question) for candidate in own):
                    continue
                paid = _version_paid(place.before, question, versions)
                pays = _version_paid(place.after, question, versions)
                if paid is not None and pays is None:
                    known.add(customer)
                    left_out.append(customer)
                is_ad_hoc = customer.channel == Channel.AD_HOC
                if pays is not None and is_ad_hoc and pays != paid and pays.tariff_id != changed.tariff_id:
                    exposed[pays.pk].update(one for one in place.connectors if is_fast_ad_hoc(one))
            if left_out:
                lost[at, _names(left_out, customers)] += place.connectors
    return [*_exposed_findings(exposed), *_lost_findings(lost, now=moments[0])]


# --- Before and after ---------------------------------------------------------------------------------------------


def _version_paid(candidates: Iterable[Candidate], question: Question, versions: _Versions) -> TariffVersion | None:
    """What the customer pays by these assignments: as tariffs.selectors.resolution decides it."""
    ordered, _others = in_order(candidates, question)
    for candidate in ordered:
        version = _in_force(versions.get(candidate.tariff_code, ()), question.at)
        if version is not None:
            return version
    return None


def _in_force(versions: Iterable[TariffVersion], at: datetime) -> TariffVersion | None:
    """As tariffs.selectors.in_force decides it."""
    begun = [version for version in versions if version.valid_from <= at]
    latest = begun[-1] if begun else None
    return None if latest is None or (latest.valid_until is not None and latest.valid_until <= at) else latest


def _question(connector: Connector, customer: Customer, public: int | None, at: datetime) -> Question:
    is_nobody = customer.contract_type_id is None and customer.group_id is None
    group_id = public if is_nobody else customer.group_id
    return Question(connector.power_class, customer.contract_type_id, group_id, customer.channel, at)


def _places(
    touched: Sequence[TariffAssignment], before: Sequence[TariffAssignment], after: Sequence[TariffAssignment]
) -> list[_Place]:
    named = {(row.scope, _place_of(row)) for row in (*before, *after)}
    connectors = (
        connectors_at(touched).select_related("charge_point__location").order_by("charge_point__identity", "number")
    )
    groups: dict[tuple[object, ...], list[Connector]] = defaultdict(list)
    for connector in connectors:
        location = connector.charge_point.location
        scopes = {
            ("country", location.country),
            ("region", location.region_id),
            ("location", location.pk),
            ("charge_point", connector.charge_point_id),
            ("connector", connector.pk),
        }
        told_apart = frozenset(scopes & named)
        groups[connector.power_class, location.country, location.is_public, told_apart].append(connector)
    return [
        _Place(
            connectors=tuple(same),
            before=tuple(candidate_of(row) for row in before if covers(row, same[0])),
            after=tuple(candidate_of(row) for row in after if covers(row, same[0])),
        )
        for same in groups.values()
    ]


def _place_of(row: TariffAssignment) -> object:
    return row.country or row.region_id or row.location_id or row.charge_point_id or row.connector_id


def _versions(rows: Iterable[TariffAssignment]) -> _Versions:
    published = TariffVersion.objects.filter(
        tariff__in={row.tariff_id for row in rows}, status=TariffVersion.Status.PUBLISHED
    )
    found: dict[str, list[TariffVersion]] = defaultdict(list)
    for version in published.select_related("tariff").defer("document", "source").order_by("valid_from", "number"):
        found[version.tariff.code].append(version)
    return found


def _customers(rows: Iterable[TariffAssignment]) -> dict[Customer, str]:
    """The kinds of customer, and what people call them."""
    found = {Customer(None, None, Channel.AD_HOC): _("ad hoc, without a contract")}
    types = {kind.pk: kind for kind in ContractType.objects.order_by("name")}
    groups = {(kind.pk, kind.customer_group_id) for kind in types.values()}
    named = {row.customer_group_id: row.customer_group for row in rows if row.customer_group_id is not None}
    own = Driver.objects.filter(customer_group__in=named, contracts__contract_type__in=types)
    groups |= set(own.values_list("contracts__contract_type", "customer_group").distinct())
    for type_id, group_id in sorted(groups, key=lambda pair: (types[pair[0]].name, pair[1] or 0)):
        kind = types[type_id]
        who = kind.name
        if group_id is not None and group_id != kind.customer_group_id:
            who = _("%(contract)s in the group “%(group)s”") % {"contract": who, "group": named[group_id]}
        found |= {Customer(type_id, group_id, channel): who for channel in (Channel.RFID, Channel.APP)}
    return found


def _names(customers: Iterable[Customer], names: Mapping[Customer, str]) -> tuple[str, ...]:
    """What people call them; who is meant by one way of starting only, with that."""
    channels: dict[str, list[str]] = defaultdict(list)
    for customer in customers:
        channels[names[customer]].append(customer.channel)
    forms = {Channel.RFID: _("%(contract)s, by card"), Channel.APP: _("%(contract)s, in the app")}
    return tuple(
        forms[Channel(of[0])] % {"contract": name} if len(of) == 1 and of[0] in forms else name
        for name, of in channels.items()
    )


def _moments(
    touched: Sequence[TariffAssignment], rows: Iterable[TariffAssignment], versions: _Versions
) -> list[datetime]:
    """Now and when something begins or ends later on, while one of `touched` is valid; the first of them."""
    spans = [(row.valid_from, row.valid_until) for row in rows]
    spans += [(version.valid_from, version.valid_until) for each in versions.values() for version in each]
    now = clock.now()
    edges = {moment for span in spans for moment in span if moment is not None and moment > now}
    is_touched = [
        moment
        for moment in sorted(edges)
        if any(row.valid_from <= moment and (row.valid_until is None or moment < row.valid_until) for row in touched)
    ]
    return [now, *is_touched[:MOST_MOMENTS]]


# --- Findings -----------------------------------------------------------------------------------------------------


def _exposed_findings(exposed: Mapping[int, set[Connector]]) -> list[Finding]:
    found = []
    names = {pk: tuple(sorted(str(connector) for connector in points)) for pk, points in exposed.items() if points}
    for version in TariffVersion.objects.filter(pk__in=names).select_related("tariff").order_by("tariff__name", "pk"):
        context = LintContext(fast_ad_hoc_points=names[version.pk])
        for finding in place_findings(parse_tariff_text(version.document), context):
            sentence = _("The tariff “%(tariff)s” would count for ad hoc customers then: %(finding)s")
            values = {"tariff": version.tariff.name, "finding": finding.translated(_).words}
            path = f"{version.tariff.code}.{finding.path}"
            found.append(replace(finding, path=path, sentence=sentence, values=values, where=None))
    return found


def _lost_findings(
    lost: Mapping[tuple[datetime, tuple[str, ...]], Sequence[Connector]], now: datetime
) -> list[Finding]:
    found = []
    for number, ((at, names), connectors) in enumerate(sorted(lost.items(), key=lambda item: item[0])):
        values = {
            "moment": date_format(timezone.localtime(at), "DATETIME_FORMAT"),
            "connectors": listed([str(connector) for connector in connectors]),
            "customers": "; ".join(names),
        }
        sentence = _(
            "From %(moment)s on no tariff would be left at %(connectors)s for: %(customers)s. They could not charge "
            "there. Assign another tariff first if they should."
        )
        if at == now:
            sentence = _(
                "No tariff would be left at %(connectors)s for: %(customers)s. They could not charge there. Assign "
                "another tariff first if they should."
            )
        found.append(Finding("left_without_tariff", WARNING, f"assignment[{number}]", sentence, values))
    return found
