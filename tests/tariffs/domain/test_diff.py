"""What changed between two tariffs, said as a commercial manager would."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from tariffs.domain.diff import diff
from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.spec import TariffSpec
from tests.tariffs.domain.strategies import tariffs

WORKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
DAY: dict[str, Any] = {"day_of_week": WORKDAYS, "start_time": "08:00", "end_time": "20:00"}


def priced(kind: str = "ENERGY", price: str = "0.39", step_size: int = 1, vat: int | None = None, **restrictions: Any):
    component = {"type": kind, "price": Decimal(price), "step_size": step_size}
    if vat is not None:
        component["vat"] = vat
    element: dict[str, Any] = {"price_components": [component]}
    if restrictions:
        element["restrictions"] = restrictions
    return element


def tariff(*elements: dict[str, Any], **fields: Any) -> TariffSpec:
    return parse_tariff({"currency": "EUR", "elements": list(elements)} | fields)


def words(old: TariffSpec, new: TariffSpec) -> list[str]:
    return [change.words for change in diff(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        (priced(**DAY), priced(price="0.42", **DAY), "tariff.elements[0].price_components[0].price",
         "Energy 0.39 → 0.42 €/kWh, Mon–Fri 08:00–20:00"),
        (priced("PARKING_TIME", "6", min_duration=14400), priced("PARKING_TIME", "9", min_duration=14400),
         "tariff.elements[0].price_components[0].price", "Time after charging 0.10 → 0.15 €/min, after 4 h"),
        (priced("TIME", "6"), priced("TIME", "5"), "tariff.elements[0].price_components[0].price",
         "Time while charging 6 → 5 €/h"),
        (priced("FLAT", "1"), priced("FLAT", "0.5"), "tariff.elements[0].price_components[0].price",
         "Start fee 1.00 → 0.50 €"),
        (priced(vat=19), priced(vat=7), "tariff.elements[0].price_components[0].vat", "Energy: VAT 19 % → 7 %"),
        (priced(), priced(step_size=1000), "tariff.elements[0].price_components[0].step_size",
         "Energy: counted in steps of none → 1 kWh"),
        (priced(start_time="08:00"), priced(start_time="07:00"), "tariff.elements[0].restrictions",
         "Energy 0.39 €/kWh: applies 08:00–24:00 → 07:00–24:00"),
        (priced(max_kwh=20), priced(), "tariff.elements[0].restrictions",
         "Energy 0.39 €/kWh: applies < 20 kWh → always"),
    ],
)  # fmt: skip
def test_a_change_is_one_sentence(old: dict[str, Any], new: dict[str, Any], path: str, said: str) -> None:
    (change,) = diff(tariff(old), tariff(new))
    assert (change.path, change.words) == (path, said)


def test_before_and_after_are_the_bare_values() -> None:
    (change,) = diff(tariff(priced()), tariff(priced(price="0.42")))
    assert (change.before, change.after) == ("0.39", "0.42")


def test_an_element_put_first_moves_nothing_else() -> None:
    night = priced(price="0.29", start_time="22:00", end_time="06:00")
    assert words(tariff(priced(), priced("FLAT", "1")), tariff(night, priced(), priced("FLAT", "1"))) == [
        "New: Energy 0.29 €/kWh, 22:00–06:00"
    ]
    assert words(tariff(night, priced(), priced("FLAT", "1")), tariff(priced(), priced("FLAT", "1"))) == [
        "Removed: Energy 0.29 €/kWh, 22:00–06:00"
    ]


def test_an_element_is_compared_with_the_one_most_like_it() -> None:
    night = priced(price="0.29", start_time="22:00", end_time="06:00")
    cheaper = priced(price="0.25", start_time="22:00", end_time="06:00")
    assert words(tariff(night, priced(**DAY)), tariff(priced("FLAT", "1"), cheaper, priced(**DAY))) == [
        "New: Start fee 1.00 €",
        "Energy 0.29 → 0.25 €/kWh, 22:00–06:00",
    ]


def test_the_order_of_prices_is_a_change() -> None:
    night = priced(price="0.29", start_time="22:00", end_time="06:00")
    assert words(tariff(night, priced(**DAY)), tariff(priced(**DAY), night)) == [
        "Energy 0.39 €/kWh, Mon–Fri 08:00–20:00: place 2 → 1 among the prices that are tried in turn"
    ]


def test_terms_and_extensions() -> None:
    old = tariff(priced(), max_price={"incl_vat": 10}, voltledger={"free": {"kwh": 5}, "service_fee": {"flat": 1}})
    new = tariff(priced(), tax_included="YES", voltledger={"free": {"kwh": 6}, "idle": {"grace_minutes": 15}})
    assert words(old, new) == [
        "Tax: prices are before tax → prices include tax",
        "Highest price: 10.00 with tax → none",
        "Service fee: per session 1.00 € → none",
        "Standing after charging: none → free for 15 min",
        "Free at the start, energy: 5 kWh → 6 kWh",
    ]


def test_extensions_are_told_in_words() -> None:
    def named(**extensions: object) -> TariffSpec:
        return tariff(priced(), voltledger=extensions)

    tiers = [{"up_to_kwh": 100, "price": Decimal("0.3")}, {"price": Decimal("0.25")}]
    assert words(named(service_fee={"percent": 5}), named(service_fee={"percent": 6, "of": "ENERGY", "vat": 19})) == [
        "Service fee, share: 5 % → 6 %",
        "Service fee, taken of: the whole price → the price of the energy",
        "Service fee, VAT: none → 19 %",
    ]
    assert words(named(free={"kwh": 1}), named(energy_tiers={"per": "MONTH", "tiers": tiers})) == [
        "Energy by steps: none → counted over the calendar month, prices 0.30 €/kWh up to 100 kWh, 0.25 €/kWh beyond",
        "Free at the start: energy 1 kWh → none",
    ]
    fee = {"price": 2, "after_minutes": 30, "after_kwh": 5}
    assert words(named(connection_fee=fee), named(connection_fee={**fee, "needs": "ANY"})) == [
        "Connection fee, of its conditions: all are needed → any one is enough"
    ]
    spot = {"series": "DE-LU", "fallback": Decimal("0.6")}
    assert words(
        named(spot=spot),
        named(spot={**spot, "markup": Decimal("0.1"), "factor": Decimal("1.1"), "cap": Decimal("0.9")}),
    ) == [
        "Market price, times: 1 → 1.1",
        "Market price, surcharge: 0.00 €/kWh → 0.10 €/kWh",
        "Market price, at most: none → 0.90 €/kWh",
    ]


@settings(max_examples=25, deadline=None)
@given(tariffs(named=True), tariffs(named=True))
def test_only_equal_tariffs_have_no_changes(one: TariffSpec, other: TariffSpec) -> None:
    assert diff(one, one) == []
    assert bool(diff(one, other)) == (_in_any_order(one) != _in_any_order(other))


def _in_any_order(spec: TariffSpec) -> object:
    """The order of the components of one element decides nothing."""
    elements = [(frozenset(element.components), element.restrictions) for element in spec.elements]
    return elements, replace(spec, elements=())


def test_a_large_tariff_is_compared_quickly() -> None:
    many = [priced(price=f"0.{n:03}", min_kwh=n, max_kwh=n + 1) for n in range(500)]
    other = [priced(price=f"0.{n:03}", min_kwh=n + 1, max_kwh=n + 2) for n in range(500)]
    assert len(diff(tariff(*many), tariff(*other))) > 0
