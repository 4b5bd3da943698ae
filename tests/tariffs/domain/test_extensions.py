"""Named extensions from outside: every defect by its path, one text per meaning, and what rating needs besides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from common.errors import BadInput
from tariffs.domain.explain import session_document
from tariffs.domain.extensions import ConnectionFee, Extensions, SpotFormula, Tier
from tariffs.domain.ocpi import canonical_json, digest, parse_tariff, to_ocpi
from tariffs.domain.ocpi_cdr import parse_cdr
from tariffs.domain.rating import CompiledTariff, compile_tariff, rate
from tariffs.domain.result import LineKind
from tariffs.domain.retail import mark_up_by_percent, mark_up_per_kwh
from tariffs.domain.spec import Period, PeriodState, TariffSpec
from tariffs.domain.spot import SpotPrice

START = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPOT = {"series": "NL", "markup": Decimal("0.10"), "fallback": Decimal("0.45"), "vat": 20}
MONTHLY = {"per": "MONTH", "tiers": [{"up_to_kwh": 100, "price": Decimal("0.50")}, {"price": Decimal("0.40")}]}


def document(**extensions: Any) -> dict[str, Any]:
    component = {"type": "ENERGY", "price": Decimal("0.60"), "vat": 20, "step_size": 1}
    return {"currency": "EUR", "elements": [{"price_components": [component]}], "voltledger": extensions}


def spec(**extensions: Any) -> TariffSpec:
    return parse_tariff(document(**extensions))


def compiled(**extensions: Any) -> CompiledTariff:
    return compile_tariff(spec(**extensions), "Europe/Amsterdam")


def defects(**extensions: Any) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse_tariff(document(**extensions))
    return [detail.removeprefix("tariff.voltledger") for detail in caught.value.details]


def step(hour: int, price: str, minutes: int = 60) -> SpotPrice:
    at = START + hour * HOUR
    return SpotPrice(at, at + timedelta(minutes=minutes), Decimal(price))


def charging(hours: int = 1, wh: int = 10_000) -> list[Period]:
    return [Period(START, START + hours * HOUR, energy_wh=Decimal(wh))]


def test_every_defect_is_named_with_its_path() -> None:
    found = defects(
        service_fee={"of": "ALL"},
        idle={"grace_minutes": 0, "free_from": "22:00", "max_amount": -1},
        connection_fee={"price": 1, "needs": "SOME"},
        energy_tiers={"tiers": [{"price": 1}, {"up_to_kwh": 5, "price": "1"}, {"up_to_kwh": 5, "price": 1}]},
        free={"hours": 1},
        spot={"floor": 2, "cap": 1, "factor": -1, "vat": 2000},
        discount=10,
    )
    assert found == [
        ".service_fee: must give flat, percent or both",
        ".service_fee.of: is what the percentage is taken of; give percent",
        ".idle.grace_minutes: must be between 1 and 527040",
        ".idle.max_amount: must be at least 0",
        ".idle.free_until: is required with free_from",
        ".connection_fee.needs: must be one of ALL, ANY",
        ".connection_fee: must give after_minutes, after_kwh or both; a plain start fee is FLAT",
        ".energy_tiers.per: is required",
        ".energy_tiers.tiers[0].up_to_kwh: is required in every tier but the last",
        ".energy_tiers.tiers[1].price: must be a number, not text",
        ".energy_tiers.tiers[2].up_to_kwh: must be above the tier before it",
        ".free.hours: is not a known field here",
        ".free: must give kwh, minutes or both",
        ".spot.factor: must be at least 0",
        ".spot.series: is required",
        ".spot.fallback: is required",
        ".spot.vat: is a percentage: 20 means 20 %",
        ".spot.cap: must not be below floor",
        ".discount: is not a known field here",
    ]


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ({"idle": "10 minutes"}, ".idle: must be an object, not text"),
        ({"service_fee": {"percent": 101}}, ".service_fee.percent: must be at most 100"),
        ({"idle": {}}, ".idle: must give grace_minutes, max_amount or free hours"),
        ({"idle": {"free_from": "22:00", "free_until": "22:00"}}, ".idle.free_until: must differ from free_from"),
        ({"energy_tiers": {"per": "SESSION", "tiers": []}}, ".energy_tiers.tiers: must not be empty"),
        (
            {"energy_tiers": {"per": "YEAR", "tiers": [{"price": 1}]}},
            ".energy_tiers.per: must be one of SESSION, MONTH",
        ),
    ],
)
def test_a_single_defect(extensions: dict[str, Any], expected: str) -> None:
    assert defects(**extensions) == [expected]


def test_the_extensions_stand_apart_from_the_ocpi_part() -> None:
    plain, extended = spec(), spec(spot=SPOT)
    assert plain.extensions is None
    assert to_ocpi(extended) == to_ocpi(plain)
    assert "voltledger" not in canonical_json(plain)
    assert canonical_json(extended) == canonical_json(plain)[:-1] + (
        ', "voltledger": {"spot": {"factor": 1, "fallback": 0.45, "markup": 0.1, "series": "NL", "vat": 20}}}'
    )
    assert digest(extended) != digest(plain)


def test_a_tariff_without_extensions_keeps_its_digest() -> None:
    assert digest(spec()) == digest(
        parse_tariff({key: value for key, value in document().items() if key != "voltledger"})
    )
    assert digest(spec()) == "a4bf814b34f96e9c7c7d4bd9d181e761f8802b4cea8f2b8fbf40f6548002ad6a"


def test_the_rating_hash_covers_the_resolved_prices_and_only_what_is_read() -> None:
    spot, plain = compiled(spot=SPOT), compiled()
    low, high = [step(0, "0.20")], [step(0, "0.30")]
    assert rate(spot, charging(), spot_prices=low).digest != rate(spot, charging(), spot_prices=high).digest
    assert (
        rate(spot, charging(), spot_prices=low).digest
        == rate(spot, charging(), spot_prices=low, month_to_date_wh=Decimal(1)).digest
    )
    assert rate(plain, charging(), spot_prices=low).digest == rate(plain, charging()).digest
    assert rate(plain, charging()).inputs is None


def test_the_explanation_shows_the_inputs() -> None:
    rated = rate(
        compiled(spot=SPOT, energy_tiers=MONTHLY),
        charging(),
        spot_prices=[step(0, "0.2")],
        month_to_date_wh=Decimal(500),
    )
    assert session_document(rated)["voltledger"] == {
        "spot_prices": [
            {
                "start_date_time": "2026-06-17T12:00:00+00:00",
                "end_date_time": "2026-06-17T13:00:00+00:00",
                "price": Decimal("0.2000"),
            }
        ],
        "month_to_date_kwh": Decimal("0.5000"),
    }
    assert "voltledger" not in session_document(rate(compiled(), charging()))


def test_the_same_market_price_is_one_line_however_it_is_cut() -> None:
    quarters = [SpotPrice(at, at + HOUR / 4, Decimal("0.20")) for at in (START + n * HOUR / 4 for n in range(4))]
    by_quarter = rate(compiled(spot=SPOT), charging(), spot_prices=quarters)
    by_hour = rate(compiled(spot=SPOT), charging(), spot_prices=[step(0, "0.20")])
    (one,), (other,) = by_quarter.lines, by_hour.lines
    assert one._replace(net_ratio=None, gross_ratio=None) == other._replace(net_ratio=None, gross_ratio=None)
    assert (one.exact_net, one.exact_gross) == (other.exact_net, other.exact_gross) == (3, Fraction("3.6"))
    (line,) = by_hour.lines
    assert (line.unit_price, line.net, line.element) == (Decimal("0.30"), Decimal(3), None)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([step(0, "1", minutes=30)], "spot_prices[0]: must be a step of 15 or 60 minutes in UTC"),
        ([step(1, "1"), step(0, "1")], "spot_prices: must be in the order of their steps"),
        (
            [step(0, "1"), SpotPrice(START + HOUR / 4, START + HOUR / 2, Decimal(1))],
            "spot_prices[1]: begins before the step before it ends",
        ),
    ],
)
def test_spot_prices_that_do_not_fit_together(prices: list[SpotPrice], expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        rate(compiled(spot=SPOT), charging(2), spot_prices=prices)
    assert expected in caught.value.details


@pytest.mark.parametrize("used_wh", [None, Decimal(-1)])
def test_tiers_per_month_are_never_guessed(used_wh: Decimal | None) -> None:
    with pytest.raises(BadInput) as caught:
        rate(compiled(energy_tiers=MONTHLY), charging(), month_to_date_wh=used_wh)
    assert list(caught.value.details) == ["month_to_date_wh: must be given and at least 0"]


def test_a_connection_fee_is_dated_when_its_threshold_was_reached() -> None:
    periods = [*charging(), Period(START + HOUR, START + 2 * HOUR, energy_wh=Decimal(4000))]
    lines = rate(compiled(connection_fee={"price": 1, "after_kwh": 11}), periods).lines
    fee = next(line for line in lines if line.kind is LineKind.CONNECTION_FEE)
    assert (fee.start_at, fee.first_period, fee.net) == (START + HOUR * 5 / 4, 1, Decimal(1))


def test_a_live_cost_is_the_same_function() -> None:
    tariff = compiled(
        spot=SPOT,
        free={"kwh": 2},
        idle={"grace_minutes": 10},
        connection_fee={"price": 1, "vat": 20, "after_minutes": 30},
        service_fee={"percent": 5, "vat": 20},
    )
    parked = Period(START + HOUR, START + 2 * HOUR, PeriodState.PARKED)
    half = Period(START, START + HOUR / 2 - timedelta(seconds=1), energy_wh=Decimal(5000))
    prices = [step(0, "0.20")]
    # 3 kWh at 0.30 and 5 %; then 8 kWh, the connection fee and 5 % of both; parking is free in this tariff.
    assert rate(tariff, [half], spot_prices=prices).total_net == Decimal("0.945")
    assert rate(tariff, charging(), spot_prices=prices).total_net == Decimal("3.57")
    assert rate(tariff, [*charging(), parked], spot_prices=prices).total_net == Decimal("3.57")


def test_energy_beyond_the_last_tier_that_nothing_prices_is_told() -> None:
    tiers = {"per": "SESSION", "tiers": [{"up_to_kwh": 4, "price": 1}]}
    parking = {"price_components": [{"type": "PARKING_TIME", "price": 1, "step_size": 1}]}
    tariff = parse_tariff(document(energy_tiers=tiers) | {"elements": [parking]})
    rated = rate(compile_tariff(tariff, "UTC"), charging())
    assert [(line.quantity, line.net) for line in rated.lines] == [(4, 4)]
    assert [(free.kind, free.quantity) for free in rated.free] == [(LineKind.ENERGY, 6)]


def test_cdr_inputs_with_mistakes() -> None:
    document = {
        "end_date_time": "2026-06-17T13:00:00Z",
        "charging_periods": [
            {"start_date_time": "2026-06-17T12:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1}]}
        ],
        "voltledger": {
            "month_to_date_kwh": -1,
            "spot_prices": [
                {"start_date_time": "2026-06-17T12:00:00Z", "end_date_time": "2026-06-17T12:30:00Z", "price": 1},
                {"start_date_time": "2026-06-17T12:15:00Z", "end_date_time": "2026-06-17T12:30:00Z", "price": "1"},
                {"start_date_time": "2026-06-17T12:15:00Z", "end_date_time": "2026-06-17T12:30:00Z", "price": 1},
            ],
        },
    }
    with pytest.raises(BadInput) as caught:
        parse_cdr(document)
    assert list(caught.value.details) == [
        "cdr.voltledger.month_to_date_kwh: must be at least 0",
        "cdr.voltledger.spot_prices[0].end_date_time: must be 15 or 60 minutes after start_date_time",
        "cdr.voltledger.spot_prices[1].price: must be a number, not text",
        "cdr.voltledger.spot_prices[2].start_date_time: must not be before the step before it ends",
    ]


def test_retail_by_percent_raises_every_amount() -> None:
    base = spec(
        spot=SPOT | {"floor": Decimal("0.20")},
        service_fee={"flat": 1, "percent": 5},
        idle={"max_amount": 10},
        connection_fee={"price": 2, "after_minutes": 5},
    )
    retail = mark_up_by_percent(base, Decimal("7.5"))
    assert retail.elements[0].components[0].price == Decimal("0.645")
    assert retail.extensions is not None
    assert retail.extensions.spot == SpotFormula(
        "NL", Decimal("0.48375"), Decimal("1.075"), Decimal("0.1075"), Decimal("0.215"), None, Decimal(20)
    )
    assert retail.extensions.connection_fee == ConnectionFee(Decimal("2.15"), 5)
    assert retail.extensions.service_fee is not None
    assert (retail.extensions.service_fee.flat, retail.extensions.service_fee.percent) == (Decimal("1.075"), 5)
    assert mark_up_by_percent(base, Decimal(0)) == base


def test_retail_per_kwh_raises_energy_alone() -> None:
    retail = mark_up_per_kwh(spec(energy_tiers=MONTHLY, service_fee={"flat": 1}), Decimal("0.04"))
    assert retail.elements[0].components[0].price == Decimal("0.64")
    assert retail.extensions is not None
    assert retail.extensions.energy_tiers is not None
    assert retail.extensions.energy_tiers.tiers == (
        Tier(Decimal("0.54"), Decimal(100)),
        Tier(Decimal("0.44")),
    )
    assert retail.extensions.service_fee == spec(service_fee={"flat": 1}).extensions.service_fee


def test_a_mark_up_no_tariff_can_hold() -> None:
    with pytest.raises(BadInput) as caught:
        mark_up_by_percent(spec(), Decimal("0.00000000001"))
    assert list(caught.value.details) == ["percent: makes a price with more than 12 decimals"]
    with pytest.raises(BadInput):
        mark_up_by_percent(spec(), Decimal(-100))


def test_extensions_that_say_nothing_are_none() -> None:
    assert spec() == replace(spec(), extensions=None)
    assert Extensions() == Extensions(None, None)
