"""From meter samples and states to periods, and the live cost on the way."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import BadInput
from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.rating import CompiledTariff, compile_tariff, rate
from tariffs.domain.spec import Period, PeriodState
from tariffs.domain.timeline import MeterSample, StateChange, build_periods, cut_periods
from tests.tariffs.domain.strategies import sessions, tariffs

START = datetime(2026, 6, 17, 15, 30, tzinfo=UTC)


def minutes(count: int) -> datetime:
    return START + timedelta(minutes=count)


def sample(minute: int, wh: str, power_w: str | None = None) -> MeterSample:
    return MeterSample(minutes(minute), Decimal(wh), None if power_w is None else Decimal(power_w))


def priced(*elements: tuple[dict[str, object], dict[str, object]]) -> CompiledTariff:
    return compile_tariff(
        parse_tariff(
            {
                "currency": "EUR",
                "elements": [
                    {"price_components": [{"vat": 20, "step_size": 1} | component], "restrictions": restrictions}
                    for component, restrictions in elements
                ],
            }
        ),
        "Europe/Berlin",
    )


ENERGY = priced(({"type": "ENERGY", "price": Decimal("0.50")}, {}))


def test_ada_charges_and_stays() -> None:
    tariff = priced(({"type": "ENERGY", "price": Decimal("0.50")}, {}), ({"type": "PARKING_TIME", "price": 6}, {}))
    periods = build_periods(
        tariff,
        started_at=START,
        ended_at=minutes(90),
        samples=[sample(0, "1000"), sample(30, "6000"), sample(60, "8000")],
        states=[StateChange(minutes(60), PeriodState.PARKED)],
    )
    assert [(p.start_at, p.end_at, p.state, p.energy_wh) for p in periods] == [
        (START, minutes(30), PeriodState.CHARGING, Decimal(5000)),
        (minutes(30), minutes(60), PeriodState.CHARGING, Decimal(2000)),
        (minutes(60), minutes(90), PeriodState.PARKED, Decimal(0)),
    ]
    rated = rate(tariff, periods)
    assert (rated.total_net, rated.total_gross) == (Decimal("6.5"), Decimal("7.8"))


def test_a_state_change_between_samples_shares_their_energy_by_time() -> None:
    periods = build_periods(
        ENERGY,
        started_at=START,
        ended_at=minutes(30),
        samples=[sample(0, "0"), sample(30, "1000")],
        states=[StateChange(minutes(10), PeriodState.PARKED)],
    )
    assert [p.energy_wh for p in periods] == [Decimal("333.333333333"), Decimal("666.666666667")]
    assert sum(p.energy_wh for p in periods) == 1000


def test_power_that_crosses_a_limit_is_cut_where_it_crosses() -> None:
    tariff = priced(
        ({"type": "ENERGY", "price": Decimal("0.70")}, {"min_power": 50}),
        ({"type": "ENERGY", "price": Decimal("0.40")}, {}),
    )
    periods = build_periods(
        tariff,
        started_at=START,
        ended_at=minutes(20),
        samples=[sample(0, "0", "40000"), sample(10, "10000", "60000"), sample(20, "20000", "40000")],
    )
    assert [(p.end_at, p.energy_wh, p.min_power_kw) for p in periods] == [
        (minutes(5), Decimal(5000), Decimal(45)),
        (minutes(10), Decimal(5000), Decimal(55)),
        (minutes(15), Decimal(5000), Decimal(55)),
        (minutes(20), Decimal(5000), Decimal(45)),
    ]
    assert rate(tariff, periods).total_net == Decimal(11)


def test_a_session_without_samples_has_begun_and_costs_its_start_fee() -> None:
    tariff = priced(({"type": "FLAT", "price": 1}, {}), ({"type": "ENERGY", "price": 1}, {}))
    periods = build_periods(tariff, started_at=START, ended_at=START, samples=[])
    assert rate(tariff, periods).total_net == 1


def test_a_reservation_comes_first() -> None:
    periods = build_periods(ENERGY, started_at=START, ended_at=minutes(5), samples=[], reserved_from=minutes(-15))
    assert [(p.state, p.end_at - p.start_at) for p in periods] == [
        (PeriodState.RESERVED, timedelta(minutes=15)),
        (PeriodState.CHARGING, timedelta(minutes=5)),
    ]


def test_a_live_cost_never_falls_and_ends_at_the_final_one() -> None:
    tariff = priced(
        ({"type": "ENERGY", "price": Decimal("0.60")}, {"end_time": "18:00"}),
        ({"type": "ENERGY", "price": Decimal("0.30")}, {}),
    )
    samples = [sample(minute, str(100 * minute)) for minute in range(0, 61, 5)]
    costs = [
        rate(tariff, build_periods(tariff, started_at=START, ended_at=last.at, samples=samples[: index + 1])).total_net
        for index, last in enumerate(samples)
    ]
    assert all(one is not None and other is not None and one <= other for one, other in pairwise(costs))
    assert costs[-1] == Decimal("2.7")  # 3 kWh before 18:00 in Berlin at 0.60, 3 kWh after it at 0.30


def test_samples_that_do_not_fit_together() -> None:
    with pytest.raises(BadInput) as caught:
        build_periods(
            ENERGY,
            started_at=START,
            ended_at=minutes(20),
            samples=[sample(0, "100"), sample(10, "50"), sample(5, "60"), sample(30, "70")],
            states=[StateChange(minutes(9), PeriodState.PARKED), StateChange(minutes(8), PeriodState.CHARGING)],
        )
    assert list(caught.value.details) == [
        "samples[1]: the register runs backwards, 100 to 50 Wh",
        "samples[2]: is before the sample before it",
        "samples: reach outside the session",
        "states[1]: is before the change before it",
    ]


def test_local_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="aware UTC"):
        build_periods(ENERGY, started_at=START.replace(tzinfo=None), ended_at=minutes(1), samples=[])


def test_cutting_for_a_cdr_starts_a_period_at_every_price_relevant_moment() -> None:
    tariff = priced(
        ({"type": "ENERGY", "price": 1}, {"max_kwh": 2, "end_time": "18:00"}),
        ({"type": "ENERGY", "price": 2}, {"min_duration": 2700}),
    )
    whole = Period(START, minutes(60), PeriodState.CHARGING, Decimal(6000))
    assert [(p.start_at, p.energy_wh) for p in cut_periods(tariff, [whole])] == [
        (START, Decimal(2000)),
        (minutes(20), Decimal(1000)),
        (minutes(30), Decimal(1500)),
        (minutes(45), Decimal(1500)),
    ]


@settings(max_examples=50, deadline=None)
@given(tariffs(), sessions())
def test_cutting_keeps_every_wh_and_second(spec, session) -> None:
    zone, periods = session
    cut = cut_periods(compile_tariff(spec, zone), periods)
    assert sum(p.energy_wh for p in cut) == sum(p.energy_wh for p in periods)
    assert (cut[0].start_at, cut[-1].end_at) == (periods[0].start_at, periods[-1].end_at)
    assert all(one.end_at == other.start_at for one, other in pairwise(cut))
    assert {p.start_at for p in periods} <= {p.start_at for p in cut}


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=10))
def test_samples_between_change_no_price_where_they_lie_on_the_line(moments: list[int]) -> None:
    tariff = priced(({"type": "ENERGY", "price": 1}, {"max_kwh": 3}), ({"type": "ENERGY", "price": 2}, {}))
    ends = [sample(0, "0"), sample(60, "6000")]
    between = sorted({0, 60} | {value % 60 for value in moments})
    all_samples = [sample(minute, str(100 * minute)) for minute in between]
    few = rate(tariff, build_periods(tariff, started_at=START, ended_at=minutes(60), samples=ends))
    many = rate(tariff, build_periods(tariff, started_at=START, ended_at=minutes(60), samples=all_samples))
    assert few.exact_total_net == many.exact_total_net == 9
