"""What is doubtful about a tariff version, given where it is assigned."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from accounts.models import ContractType
from common import clock
from locations.models import Connector
from tariffs.domain.findings import WARNING, Finding
from tariffs.domain.lint import LintContext, lint
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.resolution import Question, in_order
from tariffs.domain.spec import TariffSpec
from tariffs.models import PriceSeries, TariffAssignment, TariffVersion, VatRate
from tariffs.selectors.in_force import version_in_force
from tariffs.selectors.reach import connectors_at
from tariffs.selectors.resolution import candidate_of, covers

# Regulation (EU) 2023/1804, Article 5(4): recharging points with a power output of 50 kW or more.
FAST_W = 50_000
# An assignment that is not saved yet is the latest entered.
_NEWEST = 2**62
EU_COUNTRIES = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)


def findings_for(version: TariffVersion) -> list[Finding]:
    """Every error and warning about a version as if it were in force, translated. At most six queries."""
    return findings_of(parse_tariff_text(version.document), tariff_id=version.tariff_id, valid_from=version.valid_from)


def findings_of(spec: TariffSpec, *, tariff_id: int | None, valid_from: datetime | None = None) -> list[Finding]:
    """The same for prices that are not saved yet. Without a tariff nothing is known of where they apply."""
    at = max(valid_from or clock.now(), clock.now())
    assignments = [] if tariff_id is None else all_assignments()
    return [*_end_findings(spec, tariff_id, assignments, at), *_found(spec, tariff_id, assignments, at)]


def findings_brought(assignment: TariffAssignment) -> list[Finding]:
    """What saving this assignment would add to the findings of its tariff's published versions, in force now or later,
    from the moment on at which both apply. Translated; the assignment may be new. What was found before is left out.
    """
    versions = TariffVersion.objects.filter(
        tariff_id=assignment.tariff_id, status=TariffVersion.Status.PUBLISHED, valid_from__gt=clock.now()
    )
    current = version_in_force(assignment.tariff_id)
    before = all_assignments()
    changed = as_saved(assignment)
    after = [changed, *(row for row in before if row.pk != changed.pk)]
    brought: dict[tuple[str, str], Finding] = {}
    for version in [*([current] if current else []), *versions]:
        spec = parse_tariff_text(version.document)
        at = max(version.valid_from, assignment.valid_from, clock.now())
        known = {finding.words for finding in _found(spec, version.tariff_id, before, at)}
        for finding in _found(spec, version.tariff_id, after, at):
            if finding.words not in known:
                brought[finding.key, finding.words] = finding
    return list(brought.values())


def _end_findings(
    spec: TariffSpec, tariff_id: int | None, assignments: Sequence[TariffAssignment], at: datetime
) -> Iterator[Finding]:
    """An assigned tariff that ends by itself while nothing of it follows."""
    end = spec.valid_until
    if tariff_id is None or end is None or end <= at or not any(row.tariff_id == tariff_id for row in assignments):
        return
    later = TariffVersion.objects.filter(tariff_id=tariff_id, status=TariffVersion.Status.PUBLISHED)
    if not later.filter(valid_from__gt=at, valid_from__lte=end).exists():
        yield Finding(
            "ends_without_successor", WARNING, "tariff.end_date_time",
            gettext(
                "The tariff ends on %(end)s and no version of it follows. From then on the next assignment counts, and "
                "where there is none charging cannot start. Publish what follows, or take the end out."
            ),
            {"end": date_format(timezone.localtime(end), "DATETIME_FORMAT")},
        )  # fmt: skip


def as_saved(assignment: TariffAssignment) -> TariffAssignment:
    """A copy with an id: what is not saved yet is the latest entered."""
    saved = copy(assignment)
    if saved.pk is None:
        saved.pk = _NEWEST
    return saved


def all_assignments() -> list[TariffAssignment]:
    """Every assignment with its tariff and customer group. One query."""
    return list(TariffAssignment.objects.select_related("tariff", "customer_group"))


def _found(
    spec: TariffSpec, tariff_id: int | None, assignments: Sequence[TariffAssignment], at: datetime
) -> list[Finding]:
    found = lint(spec, _context(spec, tariff_id, assignments, at))
    return [finding.translated(gettext) for finding in found]


def _context(
    spec: TariffSpec, tariff_id: int | None, assignments: Sequence[TariffAssignment], at: datetime
) -> LintContext:
    on = clock.local_date(at, "UTC")
    series: dict[str, frozenset[str]] | None = None
    if spec.extensions is not None and spec.extensions.spot is not None:
        rows = PriceSeries.objects.filter(code=spec.extensions.spot.series).values_list("currency", flat=True)
        series = {spec.extensions.spot.series: frozenset(rows)} if rows else {}
    ours = [
        row for row in assignments if row.tariff_id == tariff_id and (row.valid_until is None or row.valid_until > at)
    ]
    if not ours:
        return LintContext(on=on, series_currencies=series)
    connectors = list(
        connectors_at(ours)
        .select_related("charge_point__location", "charge_point__model")
        .order_by("charge_point__identity", "number")
    )
    countries = {connector.charge_point.location.country for connector in connectors}
    countries |= {assignment.country for assignment in ours if assignment.country}
    known = set(VatRate.objects.filter(country__in=countries, valid_from__lte=on).values_list("country", flat=True))
    models = [(c.charge_point.identity, c.charge_point.model) for c in connectors if c.charge_point.model is not None]
    return LintContext(
        on=on,
        countries_without_vat=tuple(sorted(countries - known)),
        fast_ad_hoc_points=_fast_ad_hoc(connectors, assignments, ours, at),
        points_without_clock=_once(identity for identity, model in models if not model.clock_may_be_used),
        points_without_current=_once(identity for identity, model in models if not model.reports_current),
        contract_currencies=_contract_currencies(ours),
        series_currencies=series,
    )


def is_fast_ad_hoc(connector: Connector) -> bool:
    """Whether Article 5(4) speaks of it: public, in the EU, 50 kW or more."""
    location = connector.charge_point.location
    return connector.max_power_w >= FAST_W and location.is_public and location.country in EU_COUNTRIES


def _fast_ad_hoc(
    connectors: Sequence[Connector],
    assignments: Sequence[TariffAssignment],
    ours: Sequence[TariffAssignment],
    at: datetime,
) -> tuple[str, ...]:
    """The fast public connectors in the EU at which one of `ours` is what an ad hoc customer pays.

    Connectors that no assignment tells apart are asked once.
    """
    if not any(row.channel in ("", TariffAssignment.Channel.AD_HOC) for row in ours):
        return ()
    public = next(
        (row.customer_group_id for row in assignments if row.customer_group and row.customer_group.is_public), None
    )
    candidates = [row for row in assignments if row.contract_type_id is None]
    own_points = {row.charge_point_id for row in candidates}
    own_connectors = {row.connector_id for row in candidates}
    our_ids = {row.pk for row in ours}
    answers: dict[tuple[int | None, ...], bool] = {}
    fast: list[str] = []
    for connector in connectors:
        location = connector.charge_point.location
        if not is_fast_ad_hoc(connector):
            continue
        key = (
            location.pk,
            list(Connector.PowerClass).index(Connector.PowerClass(connector.power_class)),
            connector.charge_point_id if connector.charge_point_id in own_points else None,
            connector.pk if connector.pk in own_connectors else None,
        )
        if key not in answers:
            asked = Question(connector.power_class, None, public, TariffAssignment.Channel.AD_HOC, at)
            ordered, _others = in_order((candidate_of(row) for row in candidates if covers(row, connector)), asked)
            answers[key] = bool(ordered) and ordered[0].assignment_id in our_ids
        if answers[key]:
            fast.append(str(connector))
    return tuple(fast)


def _contract_currencies(assignments: Sequence[TariffAssignment]) -> dict[str, str]:
    named = {row.contract_type_id for row in assignments if row.contract_type_id is not None}
    if not named:
        return {}
    return dict(ContractType.objects.filter(pk__in=named).values_list("name", "currency"))


def _once(identities: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(identities))
