"""The charging periods a quote is priced with."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from common.errors import BadInput
from tariffs.domain.assumed import assumed_periods
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.spec import Dimension, Element, Period, PeriodState, PriceComponent, Restrictions, TariffSpec

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def test_charging_is_followed_by_parking() -> None:
    periods = assumed_periods(
        start_at=NOON, energy_wh=Decimal(30_000), charging_seconds=2700, parked_seconds=900, power_kw=Decimal(50)
    )

    charged_at, left_at = NOON + timedelta(minutes=45), NOON + timedelta(minutes=60)
    assert periods == [
        Period(NOON, charged_at, PeriodState.CHARGING, Decimal(30_000), Decimal(50), Decimal(50)),
        Period(charged_at, left_at, PeriodState.PARKED),
    ]


def test_a_moment_anywhere_is_taken_as_utc() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))

    (period,) = assumed_periods(start_at=east, energy_wh=Decimal(1), charging_seconds=60)

    assert (period.start_at, period.start_at.tzinfo) == (NOON, UTC)


def test_parking_alone_and_nothing_at_all_are_sessions_too() -> None:
    (parked,) = assumed_periods(start_at=NOON, energy_wh=Decimal(0), charging_seconds=0, parked_seconds=60)
    (nothing,) = assumed_periods(start_at=NOON, energy_wh=Decimal(0), charging_seconds=0)

    assert parked.state is PeriodState.PARKED
    assert (nothing.start_at, nothing.end_at, nothing.state) == (NOON, NOON, PeriodState.CHARGING)


def test_the_average_power_decides_where_none_is_given() -> None:
    """30 kWh in 45 minutes is 40 kW: below the limit of 43 kW, whatever the connector could do."""
    slow, fast = PriceComponent(Dimension.ENERGY, Decimal("0.40")), PriceComponent(Dimension.ENERGY, Decimal("0.60"))
    tariff = compile_tariff(
        TariffSpec("EUR", (Element((slow,), Restrictions(max_power=Decimal(43))), Element((fast,)))), "UTC"
    )

    average = assumed_periods(start_at=NOON, energy_wh=Decimal(30_000), charging_seconds=2700)
    stated = assumed_periods(start_at=NOON, energy_wh=Decimal(30_000), charging_seconds=2700, power_kw=Decimal(50))

    assert rate(tariff, average).total_net == Decimal("12.00")
    assert rate(tariff, stated).total_net == Decimal("18.00")


def test_every_impossible_value_is_named() -> None:
    with pytest.raises(BadInput) as refusal:
        assumed_periods(
            start_at=datetime(2026, 6, 15, 12),  # noqa: DTZ001 (that is the mistake)
            energy_wh=Decimal("NaN"),
            charging_seconds=-1,
            parked_seconds=31 * 24 * 3600 + 1,
            power_kw=Decimal(-1),
        )

    assert [detail.partition(":")[0] for detail in refusal.value.details] == [
        "start_at",
        "energy_wh",
        "charging_seconds",
        "parked_seconds",
        "power_kw",
    ]


def test_energy_needs_time() -> None:
    with pytest.raises(BadInput) as refusal:
        assumed_periods(start_at=NOON, energy_wh=Decimal(1), charging_seconds=0)

    assert refusal.value.details == ("charging_seconds: must be above 0, energy takes time to flow",)
