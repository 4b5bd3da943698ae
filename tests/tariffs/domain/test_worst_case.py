"""No session within the limits costs more than the worst case says."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tariffs.domain.extensions import (
    ConnectionFee,
    EnergyTiers,
    Extensions,
    FeeBase,
    IdleRules,
    Needs,
    ServiceFee,
    SpotFormula,
    Tier,
    TierPeriod,
)
from tariffs.domain.rating import compile_tariff, rate
from tariffs.domain.result import VatUnknown
from tariffs.domain.spec import (
    Dimension,
    Element,
    PeriodState,
    PriceComponent,
    PriceLimit,
    Restrictions,
    TariffSpec,
    TaxIncluded,
)
from tariffs.domain.spot import SpotPrice
from tariffs.domain.worst_case import worst_case
from tests.tariffs.domain.strategies import sessions, spot_prices, tariffs
from tests.tariffs.domain.test_named_properties import MONTH_WH

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
VAT = Decimal(19)
RESERVED = (PeriodState.RESERVED, PeriodState.RESERVATION_EXPIRED)
ENERGY, TIME, PARKING, FLAT = Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.FLAT


def price(dimension: Dimension, amount: str, *, step: int = 1) -> PriceComponent:
    return PriceComponent(dimension, Decimal(amount), step_size=step)


def most(spec: TariffSpec, *, kwh: str = "20", minutes: int = 120, zone: str = "UTC", **inputs: Any) -> Decimal:
    return worst_case(
        compile_tariff(spec, zone),
        start_at=NOON,
        energy_wh=Decimal(kwh) * 1000,
        seconds=minutes * 60,
        default_vat_percent=inputs.pop("default_vat_percent", VAT),
        **inputs,
    )


def spec_of(*elements: Element, **fields: Any) -> TariffSpec:
    return TariffSpec("EUR", elements, **fields)


def always(*components: PriceComponent) -> Element:
    return Element(components)


@settings(max_examples=60, deadline=None)
@given(st.booleans().flatmap(lambda named: tariffs(named=named)), sessions(), st.data())
def test_no_session_within_the_bounds_costs_more(spec: TariffSpec, session: tuple, data: st.DataObject) -> None:
    zone, periods = session
    used = [period for period in periods if period.state not in RESERVED]
    if not used:
        return
    prices = data.draw(spot_prices(used))
    month_wh = data.draw(st.sampled_from(MONTH_WH))
    tariff = compile_tariff(spec, zone)
    rated = rate(tariff, used, spot_prices=prices, month_to_date_wh=month_wh, default_vat_percent=VAT)
    spare_wh = data.draw(st.sampled_from((Decimal(0), Decimal(777))))
    spare_seconds = data.draw(st.sampled_from((0, 1, 4000)))

    bound = worst_case(
        tariff,
        start_at=used[0].start_at,
        energy_wh=sum((period.energy_wh for period in used), spare_wh),
        seconds=math.ceil((used[-1].end_at - used[0].start_at).total_seconds()) + spare_seconds,
        default_vat_percent=VAT,
        spot_prices=prices,
        month_to_date_wh=month_wh,
    )

    assert bound >= rated.payable().gross


@settings(max_examples=30, deadline=None)
@given(
    st.booleans().flatmap(lambda named: tariffs(named=named)),
    st.lists(st.integers(0, 60_000), min_size=2, max_size=2).map(sorted),
    st.lists(st.integers(0, 90_000), min_size=2, max_size=2).map(sorted),
)
def test_more_energy_or_more_time_never_lowers_it(spec: TariffSpec, wh: list[int], seconds: list[int]) -> None:
    tariff = compile_tariff(spec, "Europe/Berlin")
    low, high = (
        worst_case(
            tariff,
            start_at=NOON,
            energy_wh=Decimal(wh[index]),
            seconds=seconds[index],
            default_vat_percent=VAT,
            month_to_date_wh=Decimal(5000),
        )
        for index in (0, 1)
    )
    assert low <= high


def test_a_plain_price_per_kwh_is_exactly_the_price() -> None:
    assert most(spec_of(always(price(ENERGY, "0.40")))) == Decimal("9.52")  # 20 kWh x 0.40 = 8.00 net


def test_the_dearest_hour_of_the_stay_counts_and_no_other() -> None:
    evening = Element((price(ENERGY, "0.80"),), Restrictions(start_time=(NOON + timedelta(hours=2)).time()))
    spec = spec_of(evening, always(price(ENERGY, "0.40")), tax_included=TaxIncluded.YES)

    assert most(spec, minutes=60) == Decimal("8.00")
    assert most(spec, minutes=180) == Decimal("16.00")


def test_all_of_the_time_may_be_parked_up_to_the_idle_cap() -> None:
    spec = spec_of(always(price(TIME, "1"), price(PARKING, "6", step=0)), tax_included=TaxIncluded.YES)
    capped = replace(spec, extensions=Extensions(idle=IdleRules(grace_minutes=30, max_amount=Decimal(3))))

    assert most(spec) == Decimal("12.00")
    # Half an hour of parking reaches the cap, an hour and a half is charged: 3.00 + 1.50.
    assert most(capped) == Decimal("4.50")


def test_fees_are_counted_where_their_thresholds_can_be_reached() -> None:
    fees = Extensions(
        service_fee=ServiceFee(flat=Decimal("0.50"), percent=Decimal(10), of=FeeBase.ALL),
        connection_fee=ConnectionFee(Decimal(1), after_minutes=60, after_kwh=Decimal(10), needs=Needs.ALL),
    )
    spec = spec_of(always(price(ENERGY, "0.40"), price(FLAT, "2")), tax_included=TaxIncluded.YES, extensions=fees)

    # 8.00 + 2.00 + 1.00, a tenth of it 1.10, and 0.50.
    assert most(spec) == Decimal("12.60")
    # Too short for the connection fee: 8.00 + 2.00 + 1.00 + 0.50.
    assert most(spec, minutes=59) == Decimal("11.50")


def test_tiers_count_from_the_energy_of_the_month() -> None:
    tiers = EnergyTiers((Tier(Decimal("0.60"), Decimal(100)), Tier(Decimal("0.30"))), TierPeriod.MONTH)
    spec = spec_of(always(price(FLAT, "0")), tax_included=TaxIncluded.YES, extensions=Extensions(energy_tiers=tiers))

    assert most(spec, month_to_date_wh=Decimal(0)) == Decimal("12.00")
    assert most(spec, month_to_date_wh=Decimal(100_000)) == Decimal("6.00")


def test_the_highest_known_market_price_or_the_fallback_where_one_is_missing() -> None:
    formula = SpotFormula("DE-LU", fallback=Decimal("0.90"), markup=Decimal("0.05"), cap=Decimal("0.70"))
    spec = spec_of(always(price(FLAT, "0")), tax_included=TaxIncluded.YES, extensions=Extensions(spot=formula))
    hours = [SpotPrice(NOON + timedelta(hours=n), NOON + timedelta(hours=n + 1), Decimal(value)) for n, value in
             enumerate(("0.10", "0.30", "2.00", "0.10"))]  # fmt: skip

    assert most(spec, minutes=119, spot_prices=hours) == Decimal("7.00")
    assert most(spec, minutes=179, spot_prices=hours) == Decimal("14.00")
    assert most(spec, minutes=300, spot_prices=hours) == Decimal("18.00")


def test_the_tariff_s_highest_price_ends_it() -> None:
    spec = spec_of(always(price(ENERGY, "0.40")), max_price=PriceLimit(net=Decimal(5)))
    assert most(spec, kwh="500") == Decimal("5.95")


def test_without_a_vat_rate_there_is_no_answer() -> None:
    with pytest.raises(VatUnknown):
        most(spec_of(always(price(ENERGY, "0.40"))), default_vat_percent=None)
