"""The prices of a week: what each cell costs, on both clocks, with few ratings."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tariffs.domain.assumed import assumed_periods
from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.result import LineKind
from tariffs.domain.spec import TariffSpec
from tariffs.domain.spot import SpotPrice
from tariffs.domain.week import HOUR, QUARTER, Week, first_day_of_week, price_week
from tests.tariffs.domain.strategies import tariffs

MONDAY = date(2026, 6, 15)
BERLIN = "Europe/Berlin"


def spec(*elements: dict[str, object], **more: object) -> TariffSpec:
    return parse_tariff({"currency": "EUR", "elements": list(elements), **more})


def element(price: str, kind: str = "ENERGY", **restrictions: object) -> dict[str, object]:
    component = {"type": kind, "price": Decimal(price), "step_size": 1, "vat": 20}
    return {"price_components": [component], "restrictions": restrictions or None}


NIGHT = element("0.30", start_time="22:00", end_time="06:00")
WEEKEND = element("0.40", day_of_week=["SATURDAY", "SUNDAY"])
DAY = element("0.50")


def week(some: TariffSpec, *, first_day: date = MONDAY, minutes: int = HOUR, **more: Any) -> Week:
    more = {"energy_wh": Decimal(10_000), "power_kw": Decimal(11), **more}
    return price_week(compile_tariff(some, BERLIN), first_day=first_day, minutes=minutes, **more)


def test_each_hour_of_each_day_has_its_price() -> None:
    found = week(spec(NIGHT, WEEKEND, DAY))
    assert len(found.rows) == 24
    for hour, row in enumerate(found.rows):
        night = hour < 6 or hour >= 22
        nets = [Fraction(30, 100) if night else Fraction(50, 100)] * 5 + [Fraction(30 if night else 40, 100)] * 2
        assert [cell.energy_net for cell in row] == nets
        assert [cell.energy_gross for cell in row] == [net * Fraction(12, 10) for net in nets]


def test_cells_of_one_class_are_rated_once() -> None:
    assert week(spec(DAY), minutes=QUARTER).rated == 1
    assert week(spec(NIGHT, WEEKEND, DAY), minutes=QUARTER).rated <= 4


def test_a_limit_within_a_cell_divides_it() -> None:
    some = spec(element("0.30", start_time="22:15", end_time="06:00"), DAY)
    assert week(some).rows[22][0].energy_net == Fraction(35, 100)
    quarters = week(some, minutes=QUARTER).rows
    assert [quarters[88 + n][0].energy_net for n in range(2)] == [Fraction(50, 100), Fraction(30, 100)]


def test_time_is_counted_as_long_as_the_energy_takes_at_the_power() -> None:
    some = spec(DAY, element("6.60", "TIME"))
    cell = week(some).rows[12][0]
    assert cell.energy_net == Fraction(1, 2)
    assert cell.charging_net == Fraction(1, 2) + Fraction(66, 110)
    assert week(some, minutes=QUARTER).rows[50][0] == cell


def test_limits_on_power_and_energy_are_held_against_what_was_assumed() -> None:
    some = spec(element("0.70", min_power=50), element("0.60", min_kwh=10), DAY)
    assert week(some).rows[0][0].energy_net == Fraction(1, 2)
    assert week(some, power_kw=Decimal(150)).rows[0][0].energy_net == Fraction(7, 10)
    assert week(some, energy_wh=Decimal(20_000)).rows[0][0].energy_net == Fraction(55, 100)


def test_market_prices_where_they_are_known() -> None:
    some = spec(DAY, voltledger={"spot": {"series": "DE-LU", "markup": Decimal("0.1"), "fallback": Decimal("0.9")}})
    at = datetime(2026, 6, 14, 22, tzinfo=UTC)
    hour = timedelta(hours=1)
    prices = [SpotPrice(at + n * hour, at + (n + 1) * hour, Decimal(n % 2)) for n in range(24)]
    found = week(some, spot_prices=prices, default_vat_percent=Decimal(20))
    assert [row[0].energy_net for row in found.rows[:3]] == [Fraction(1, 10), Fraction(11, 10), Fraction(1, 10)]
    assert not found.rows[0][0].is_fallback
    assert found.rows[0][1].energy_net == Fraction(9, 10)
    assert found.rows[0][1].is_fallback
    assert found.rated == 3


def test_without_a_vat_rate_one_side_is_unknown() -> None:
    component = {"type": "ENERGY", "price": Decimal("0.5"), "step_size": 1}
    cell = week(spec({"price_components": [component]})).rows[0][0]
    assert (cell.energy_net, cell.energy_gross, cell.charging_gross) == (Fraction(1, 2), None, None)


def test_an_hour_the_clock_skips_has_no_price_and_one_that_comes_twice_has_one() -> None:
    spring = week(spec(NIGHT, DAY), first_day=date(2026, 3, 23))
    assert [hour for hour, row in enumerate(spring.rows) if row[6] is None] == [2]
    assert spring.rows[3][6].energy_net == Fraction(3, 10)
    autumn = week(spec(NIGHT, DAY), first_day=date(2026, 10, 19))
    assert all(cell is not None for row in autumn.rows for cell in row)


def test_what_nothing_prices_is_free() -> None:
    cell = week(spec(element("1", "FLAT"))).rows[0][0]
    assert (cell.energy_net, cell.charging_gross) == (0, 0)


@given(tariffs(priced=True), st.integers(0, 167))
@settings(max_examples=40)
def test_a_cell_costs_what_the_engine_says_about_it_alone(some: TariffSpec, number: int) -> None:
    """Nothing is lost by rating a class once: the cell, rated naively, has the same price."""
    found = week(some)
    day, hour = divmod(number, 24)
    at = datetime(2026, 6, 14, 22, tzinfo=UTC) + timedelta(hours=number)
    periods = assumed_periods(start_at=at, energy_wh=Decimal(10_000), charging_seconds=3600, power_kw=Decimal(11))
    lines = rate(compile_tariff(some, BERLIN), periods).lines
    naive = sum((line.exact_net for line in lines if line.kind is LineKind.ENERGY), Fraction(0))
    assert found.rows[hour][day].energy_net == naive / 10


def test_the_week_begins_on_monday() -> None:
    assert first_day_of_week(date(2026, 6, 21)) == MONDAY
    assert first_day_of_week(MONDAY) == MONDAY
