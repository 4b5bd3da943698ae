"""What must hold for every tariff and session. The engine is held against the plain rules of oracle.py, exactly."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.result import LineKind
from tariffs.domain.spec import Element, Period, TariffSpec
from tests.tariffs.domain import oracle
from tests.tariffs.domain.strategies import sessions, tariffs

Session = tuple[str, list[Period]]

UNITS = {"ENERGY": 1000, "FLAT": 1, "RESERVATION_FLAT": 1}
ADJUSTMENTS = (LineKind.MIN_PRICE, LineKind.MAX_PRICE)


def in_base_units(kind: str, quantity: Fraction) -> Fraction:
    return quantity * UNITS.get(kind, 3_600_000_000)


@settings(max_examples=100, deadline=None)
@given(tariffs(), sessions())
def test_the_engine_agrees_with_the_plain_rules(spec: TariffSpec, session: Session) -> None:
    zone, periods = session
    rated = rate(compile_tariff(spec, zone), periods)
    answer = oracle.price(spec, zone, periods)
    quantities = {
        (line.kind.value, line.element): in_base_units(line.kind.value, line.quantity)
        for line in rated.lines
        if line.kind not in ADJUSTMENTS
    }
    assert quantities == answer.quantities
    assert (rated.exact_total_net, rated.exact_total_gross) == (answer.net, answer.gross)


@settings(max_examples=80, deadline=None)
@given(tariffs(), sessions(), st.data())
def test_an_extra_period_boundary_changes_no_price(spec: TariffSpec, session: Session, data: st.DataObject) -> None:
    zone, periods = session
    index = data.draw(st.integers(0, len(periods) - 1))
    parts = data.draw(st.sampled_from((2, 4, 5, 8, 10)))
    first_parts = data.draw(st.integers(1, parts - 1))
    whole = periods[index]
    cut_at = whole.start_at + (whole.end_at - whole.start_at) * first_parts / parts
    energy_wh = whole.energy_wh * first_parts / parts
    halves = [
        replace(whole, end_at=cut_at, energy_wh=energy_wh),
        replace(whole, start_at=cut_at, energy_wh=whole.energy_wh - energy_wh),
    ]
    tariff = compile_tariff(spec, zone)
    before = rate(tariff, periods)
    after = rate(tariff, [*periods[:index], *halves, *periods[index + 1 :]])
    assert after.exact_total_net == before.exact_total_net
    assert after.exact_total_gross == before.exact_total_gross
    assert [(line.kind, line.element, line.quantity) for line in after.lines] == [
        (line.kind, line.element, line.quantity) for line in before.lines
    ]


@settings(max_examples=50, deadline=None)
@given(tariffs(priced=True), sessions())
def test_parts_sum_to_the_whole_and_net_and_vat_to_gross(spec: TariffSpec, session: Session) -> None:
    zone, periods = session
    rated = rate(compile_tariff(spec, zone), periods)
    assert rated.exact_total_gross is not None
    assert sum(line.exact_net or 0 for line in rated.lines) == rated.exact_total_net
    assert sum(line.exact_gross or 0 for line in rated.lines) == rated.exact_total_gross
    assert sum(total.exact_gross or 0 for total in rated.vat_totals) == rated.exact_total_gross
    payable = rated.payable()
    assert payable.net + payable.vat == payable.gross
    for rounded in payable.rates:
        assert rounded.net + rounded.vat == rounded.gross
    half_cents = Fraction(len(payable.rates), 100)
    assert abs(Fraction(payable.gross) - rated.exact_total_gross) <= half_cents


@settings(max_examples=50, deadline=None)
@given(tariffs(priced=True), sessions(), st.data())
def test_more_energy_never_costs_less_while_no_element_looks_at_energy(
    spec: TariffSpec, session: Session, data: st.DataObject
) -> None:
    zone, periods = session
    # Blocks are left out: the rest of a block is billed at the price that happened to come last.
    elements = tuple(
        Element(
            tuple(replace(component, step_size=0) for component in element.components),
            replace(element.restrictions, min_kwh=None, max_kwh=None, min_power=None, max_power=None),
        )
        for element in spec.elements
    )
    tariff = compile_tariff(replace(spec, elements=elements), zone)
    index = data.draw(st.integers(0, len(periods) - 1))
    assume(periods[index].state in ("CHARGING", "PARKED"))
    more = replace(periods[index], energy_wh=periods[index].energy_wh + data.draw(st.integers(1, 5000)))
    before = rate(tariff, periods)
    after = rate(tariff, [*periods[:index], more, *periods[index + 1 :]])
    assert before.exact_total_gross is not None
    assert after.exact_total_gross is not None
    assert after.exact_total_gross >= before.exact_total_gross


@settings(max_examples=50, deadline=None)
@given(tariffs(priced=True), sessions(), st.data())
def test_the_order_of_equal_elements_is_irrelevant(spec: TariffSpec, session: Session, data: st.DataObject) -> None:
    zone, periods = session
    index = data.draw(st.integers(0, len(spec.elements) - 1))
    twice = (*spec.elements[: index + 1], *spec.elements[index:])
    before = rate(compile_tariff(spec, zone), periods)
    after = rate(compile_tariff(replace(spec, elements=twice), zone), periods)
    assert after.exact_total_net == before.exact_total_net
    assert after.exact_total_gross == before.exact_total_gross


@settings(max_examples=20, deadline=None)
@given(tariffs(), sessions())
def test_the_same_input_gives_the_same_hash(spec: TariffSpec, session: Session) -> None:
    zone, periods = session
    again = compile_tariff.__wrapped__(spec, zone)
    assert rate(again, periods).digest == rate(compile_tariff(spec, zone), periods).digest
