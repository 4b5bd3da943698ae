"""What must hold for every tariff with named extensions; held against the plain rules of oracle_named.py, exactly."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tariffs.domain.explain import session_document
from tariffs.domain.ocpi import canonical_json, parse_tariff, parse_tariff_text, to_ocpi
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.result import CostLine, LineKind, RatedSession
from tariffs.domain.retail import mark_up_by_percent, mark_up_per_kwh
from tariffs.domain.spec import Period, TariffSpec
from tariffs.domain.spot import SpotPrice
from tests.tariffs.domain import oracle
from tests.tariffs.domain.strategies import sessions, spot_prices, tariffs

MONTH_WH = (Decimal(0), Decimal(5000), Decimal("7123.4"))
FEES = (LineKind.IDLE_CAP, LineKind.CONNECTION_FEE, LineKind.SERVICE_FEE, LineKind.MIN_PRICE, LineKind.MAX_PRICE)
UNITS = {"ENERGY": 1000, "FLAT": 1, "RESERVATION_FLAT": 1}


class Case:
    """A session with its frozen inputs."""

    def __init__(self, zone: str, periods: list[Period], prices: list[SpotPrice], month_to_date_wh: Decimal) -> None:
        self.zone, self.periods, self.prices, self.month_to_date_wh = zone, periods, prices, month_to_date_wh

    def __repr__(self) -> str:
        return f"Case({self.zone!r}, {self.periods!r}, {self.prices!r}, {self.month_to_date_wh!r})"

    def rate(self, spec: TariffSpec, periods: list[Period] | None = None) -> RatedSession:
        return rate(
            compile_tariff(spec, self.zone),
            periods or self.periods,
            spot_prices=self.prices,
            month_to_date_wh=self.month_to_date_wh,
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone, periods = draw(sessions())
    return Case(zone, periods, draw(spot_prices(periods)), draw(st.sampled_from(MONTH_WH)))


def name_of(line: CostLine) -> tuple[str, int | str]:
    return line.kind.value, line.matched[0].code if line.element is None else line.element


def quantities(rated: RatedSession) -> dict[tuple[str, int | str], Fraction]:
    sums: dict[tuple[str, int | str], Fraction] = {}
    for line in rated.lines:
        if line.kind not in FEES:
            unit = UNITS.get(line.kind.value, 3_600_000_000)
            sums[name_of(line)] = sums.get(name_of(line), Fraction(0)) + line.quantity * unit
    return sums


@settings(max_examples=100, deadline=None)
@given(tariffs(named=True), cases())
def test_the_engine_agrees_with_the_plain_rules(spec: TariffSpec, case: Case) -> None:
    rated = case.rate(spec)
    answer = oracle.price(
        spec, case.zone, case.periods, spot_prices=case.prices, month_to_date_wh=case.month_to_date_wh
    )
    assert quantities(rated) == answer.quantities
    assert (rated.exact_total_net, rated.exact_total_gross) == (answer.net, answer.gross)
    assert session_document(rated)["digest"] == rated.digest


@settings(max_examples=100, deadline=None)
@given(tariffs(named=True), cases(), st.data())
def test_an_extra_period_boundary_changes_no_price(spec: TariffSpec, case: Case, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(case.periods) - 1))
    parts = data.draw(st.sampled_from((2, 4, 5, 8, 10)))
    first_parts = data.draw(st.integers(1, parts - 1))
    whole = case.periods[index]
    cut_at = whole.start_at + (whole.end_at - whole.start_at) * first_parts / parts
    energy_wh = whole.energy_wh * first_parts / parts
    halves = [
        replace(whole, end_at=cut_at, energy_wh=energy_wh),
        replace(whole, start_at=cut_at, energy_wh=whole.energy_wh - energy_wh),
    ]
    before = case.rate(spec)
    after = case.rate(spec, [*case.periods[:index], *halves, *case.periods[index + 1 :]])
    assert [(line.kind, line.element, line.quantity, line.matched, line.exact_net) for line in after.lines] == [
        (line.kind, line.element, line.quantity, line.matched, line.exact_net) for line in before.lines
    ]
    assert (after.exact_total_net, after.exact_total_gross) == (before.exact_total_net, before.exact_total_gross)


@settings(max_examples=80, deadline=None)
@given(tariffs(named=True, priced=True), cases())
def test_parts_sum_to_the_whole_and_net_and_vat_to_gross(spec: TariffSpec, case: Case) -> None:
    rated = case.rate(spec)
    assert sum(line.exact_net or 0 for line in rated.lines) == rated.exact_total_net
    assert sum(line.exact_gross or 0 for line in rated.lines) == rated.exact_total_gross
    payable = rated.payable()
    assert payable.net + payable.vat == payable.gross
    used = sum(period.energy_wh for period in case.periods)
    billed = sum(line.measured for line in rated.lines if line.kind is LineKind.ENERGY)
    free = sum(free.quantity for free in rated.free if free.kind is LineKind.ENERGY)
    assert billed + free in (0, Fraction(used) / 1000)


@settings(max_examples=60, deadline=None)
@given(tariffs(named=True))
def test_a_tariff_survives_its_canonical_form_and_partners_get_pure_ocpi(spec: TariffSpec) -> None:
    assert parse_tariff_text(canonical_json(spec)) == spec
    assert parse_tariff(to_ocpi(spec)) == replace(spec, extensions=None)


@settings(max_examples=60, deadline=None)
@given(tariffs(named=True, priced=True), cases(), st.sampled_from(("-12.5", "0", "7", "20")))
def test_a_percentage_on_the_tariff_is_that_percentage_on_every_session(
    spec: TariffSpec, case: Case, percent: str
) -> None:
    base = case.rate(spec).exact_total_net
    assert base is not None
    factor = 1 + Fraction(percent) / 100
    assert case.rate(mark_up_by_percent(spec, Decimal(percent))).exact_total_net == base * factor


@settings(max_examples=60, deadline=None)
@given(tariffs(named=True, priced=True), cases())
def test_a_mark_up_per_kwh_is_paid_for_every_kwh_that_had_a_price(spec: TariffSpec, case: Case) -> None:
    assert spec.extensions is not None
    spec = replace(spec, extensions=replace(spec.extensions, service_fee=None))
    before, after = case.rate(spec), case.rate(mark_up_per_kwh(spec, Decimal("0.05")))
    for one, other in zip(before.lines, after.lines, strict=True):
        is_raised = one.kind is LineKind.ENERGY and name_of(one) != ("ENERGY", "free_energy")
        # Not "+ 0": that would round a price of more than 28 digits.
        assert other.unit_price == (one.unit_price + Decimal("0.05") if is_raised else one.unit_price)
        assert other.quantity == one.quantity
