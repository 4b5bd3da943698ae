"""A tariff as a sheet of cells: nothing is lost on the way there and back, and each mistake is found in its cell."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.domain.ocpi import canonical_json, parse_tariff
from tariffs.domain.rows import MOST_RULES, Rule, Sheet, blank_sheet, duration_text, fits, moment_text, sheet_of
from tariffs.domain.rows_reading import SheetMistakes, cell_of_path, parse_duration, parse_number, spec_of
from tariffs.domain.spec import Dimension, Element, PriceComponent, Restrictions, TariffSpec, TaxIncluded
from tests.tariffs.domain.strategies import tariffs
from tests.tariffs.vectors.loading import Vector, all_vectors


@given(tariffs(named=True))
def test_a_tariff_with_extensions_survives_the_sheet(spec: TariffSpec) -> None:
    again = spec_of(sheet_of(spec))
    assert again == spec
    assert canonical_json(again) == canonical_json(spec)


@given(tariffs(), st.integers(0, 10**12 - 1), st.integers(0, 12))
def test_prices_of_any_size_survive_the_sheet(spec: TariffSpec, digits: int, places: int) -> None:
    price = Decimal(digits).scaleb(-places)
    components = tuple(PriceComponent(dimension, price, None, 0) for dimension in reversed(Dimension))
    spec = replace(spec, elements=(Element(components), *spec.elements))
    assert canonical_json(spec_of(sheet_of(spec))) == canonical_json(spec)


@pytest.mark.parametrize("vector", all_vectors(), ids=lambda vector: vector.name)
def test_every_worked_tariff_survives_the_sheet(vector: Vector) -> None:
    spec = parse_tariff(vector.tariff)
    assert spec_of(sheet_of(spec)) == spec


def sheet(*rules: dict[str, str] | Rule, tiers: tuple[dict[str, str], ...] = (), **general: Any) -> Sheet:
    made = tuple(rule if isinstance(rule, Rule) else Rule(rule) for rule in rules)
    return Sheet("EUR", {"tax_included": "YES", "tiers_per": "SESSION", **general}, made, tiers)


def mistakes(some: Sheet) -> set[tuple[str, int, str, str]]:
    with pytest.raises(SheetMistakes) as refused:
        spec_of(some)
    return {(defect.section, defect.row, defect.cell, defect.sentence) for defect in refused.value.defects}


ENERGY = {"energy_price": "0.49"}


def test_what_people_type_becomes_the_tariff() -> None:
    first = {
        "energy_price": "0,49",
        "parking_price": "0.10",
        "parking_unit": "min",
        "parking_step": "60",
        "from_time": "08:00",
        "until_time": "00:00",
        "last_day": "2026-12-31",
        "after": "1 h 30 min",
        "within": "240",
        "min_power": "50",
    }
    second = {"time_price": "6", "time_unit": "h", "time_vat": "7", "reservation": ""}
    nothing = {"time_unit": "min", "parking_unit": "min", "order": ""}
    spec = spec_of(sheet(Rule(first, ("6", "7")), second, nothing))
    restrictions = Restrictions(
        start_time=time(8), end_time=time(0), end_date=date(2027, 1, 1), min_duration=5400, max_duration=14_400,
        min_power=Decimal(50), days=frozenset({6, 7}),
    )  # fmt: skip
    energy = PriceComponent(Dimension.ENERGY, Decimal("0.49"))
    parking = PriceComponent(Dimension.PARKING_TIME, Decimal(6), None, 60)
    charging = PriceComponent(Dimension.TIME, Decimal(6), Decimal(7))
    assert spec.elements[0] == Element((energy, parking), restrictions)
    assert spec.elements[1:] == (Element((charging,)),)
    assert spec.tax_included is TaxIncluded.YES


def test_rows_nobody_filled_in_are_left_out_and_defects_keep_their_row() -> None:
    spec = spec_of(
        sheet({"time_unit": "min"}, ENERGY, tiers=({"up_to": "", "price": ""}, {"up_to": "", "price": "0.4"}))
    )
    assert len(spec.elements) == 1
    assert len(spec.extensions.energy_tiers.tiers) == 1 if spec.extensions and spec.extensions.energy_tiers else False
    assert mistakes(sheet({"time_unit": "min"}, {"energy_price": "cheap"})) == {
        ("rules", 1, "energy_price", "must be a number such as 0.49")
    }


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"energy_price": "", "from_time": "08:00"}, ("rules", 0, "", "must not be empty")),
        ({"energy_price": "", "energy_vat": "19"}, ("rules", 0, "energy_price", "needs a price, or must be empty")),
        ({"flat_vat": "19"}, ("rules", 0, "flat_price", "needs a price, or must be empty")),
        ({"energy_price": "NaN"}, ("rules", 0, "energy_price", "must be a number such as 0.49")),
        ({"energy_price": "1e3"}, ("rules", 0, "energy_price", "must be a number such as 0.49")),
        ({"energy_vat": "1900"}, ("rules", 0, "energy_vat", "is a percentage: 20 means 20 %")),
        ({"energy_step": "1.5"}, ("rules", 0, "energy_step", "must be a whole number")),
        ({"from_time": "25:00"}, ("rules", 0, "from_time", "must be a time of day such as 13:30")),
        ({"first_day": "31.12.2026"}, ("rules", 0, "first_day", "must be a date such as 2026-12-24")),
        ({"last_day": "9999-12-31"}, ("rules", 0, "last_day", "must be a date such as 2026-12-24")),
        (
            {"first_day": "2026-12-24", "last_day": "2026-12-23"},
            ("rules", 0, "last_day", "is exclusive, so it must be after start_date"),
        ),
        ({"min_kwh": "20", "max_kwh": "20"}, ("rules", 0, "max_kwh", "is exclusive, so it must be above min_kwh")),
        ({"min_power": "-1"}, ("rules", 0, "min_power", "must be at least 0")),
        ({"after": "soon"}, ("rules", 0, "after", "must be a duration such as 90 min or 1 h 30 min")),
        ({"after": "2 h", "within": "1 h"}, ("rules", 0, "within", "is exclusive, so it must be above min_duration")),
        ({"reservation": "RESERVATION"}, ("rules", 0, "", "a reservation is priced by FLAT and TIME only")),
        ({"reservation": "x"}, ("rules", 0, "reservation", "must be one of RESERVATION, RESERVATION_EXPIRES")),
    ],
)
def test_a_mistake_in_a_rule_is_found_in_its_cell(cells: dict[str, str], expected: tuple[str, int, str, str]) -> None:
    assert expected in mistakes(sheet({**ENERGY, **cells}))


@pytest.mark.parametrize(
    ("general", "expected"),
    [
        ({"min_gross": "5", "max_gross": "4"}, ("max_gross", "must not be below min_price")),
        ({"min_net": "5", "min_gross": "4"}, ("min_gross", "cannot be lower after taxes than before")),
        ({"usable_from": "tomorrow"}, ("usable_from", "must be a moment such as 2026-12-24T18:00:00Z")),
        ({"fee_vat": "19"}, ("fee_flat", "must give flat, percent or both")),
        ({"fee_percent": "101"}, ("fee_percent", "must be at most 100")),
        (
            {"connection_price": "1"},
            ("connection_price", "must give after_minutes, after_kwh or both; a plain start fee is FLAT"),
        ),
        ({"connection_minutes": "5"}, ("connection_price", "is required")),
        ({"free_minutes": "1.5"}, ("free_minutes", "must be a whole number")),
        ({"idle_from": "22:00"}, ("idle_until", "is required with free_from")),
        ({"spot_series": "DE-LU"}, ("spot_fallback", "is required")),
        (
            {"spot_series": "DE-LU", "spot_fallback": "1", "spot_floor": "2", "spot_cap": "1"},
            ("spot_cap", "must not be below floor"),
        ),
        ({"tax_included": "maybe"}, ("tax_included", "must be one of YES, NO, N/A")),
    ],
)  # fmt: skip
def test_a_mistake_in_the_rest_is_found_in_its_cell(general: dict[str, Any], expected: tuple[str, str]) -> None:
    assert ("general", 0, *expected) in mistakes(sheet(ENERGY, **general))


def test_mistakes_in_tiers_are_found_in_their_row() -> None:
    tiers = ({"up_to": "", "price": "0.5"}, {"up_to": "", "price": ""}, {"up_to": "10", "price": "dear"})
    assert mistakes(sheet(ENERGY, tiers=tiers)) == {
        ("tiers", 0, "up_to", "is required in every tier but the last"),
        ("tiers", 2, "price", "must be a number such as 0.49"),
    }


def test_every_mistake_is_told_at_once() -> None:
    found = mistakes(
        sheet({"energy_price": "x", "from_time": "y"}, {"energy_price": "1", "min_kwh": "z"}, fee_flat="w")
    )
    assert {(section, row, cell) for section, row, cell, _sentence in found} == {
        ("rules", 0, "energy_price"), ("rules", 0, "from_time"), ("rules", 1, "min_kwh"), ("general", 0, "fee_flat"),
    }  # fmt: skip


def test_a_tariff_without_any_price_is_refused() -> None:
    assert mistakes(blank_sheet("EUR")) == {("general", 0, "", "must have at least one price")}


def test_a_long_tariff_does_not_fit() -> None:
    element = Element((PriceComponent(Dimension.ENERGY, Decimal(1)),))
    assert fits(TariffSpec("EUR", (element,) * MOST_RULES))
    assert not fits(TariffSpec("EUR", (element,) * (MOST_RULES + 1)))


def test_a_path_of_the_document_leads_to_its_cell() -> None:
    some = sheet({"order": ""}, {"time_price": "1", "order": ""}, fee_flat="1")
    assert cell_of_path("tariff.elements[0].price_components[0]", some) == ("rules", 1, "time_price")
    assert cell_of_path("tariff.elements[0].restrictions.max_kwh", some) == ("rules", 1, "max_kwh")
    assert cell_of_path("tariff.elements[0]", some) == ("rules", 1, "")
    assert cell_of_path("tariff.voltledger.service_fee", some) == ("general", 0, "fee_flat")
    assert cell_of_path("elsewhere", some) == ("general", 0, "")


@given(st.integers(0, 10**7))
def test_durations_are_read_as_they_are_written(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("1h30min", 5400),
        ("1 d", 86_400),
        ("45 s", 45),
        ("", None),
        ("1,5 h", None),
        ("h", None),
        ("5 minutes", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [("0,49", "0.49"), (" 1.5 ", "1.5"), ("-.5", "-0.5"), ("1,000.5", None), ("1_0", None), ("٣", None), ("∞", None)],
)
def test_numbers(text: str, number: str | None) -> None:
    assert parse_number(text) == (None if number is None else Decimal(number))


def test_moments_keep_their_seconds() -> None:
    assert moment_text(datetime(2026, 12, 24, 18, tzinfo=UTC)) == "2026-12-24 18:00"
    assert moment_text(datetime(2026, 12, 24, 18, 0, 5, tzinfo=UTC)) == "2026-12-24 18:00:05"
    spec = spec_of(sheet(ENERGY, usable_from="2026-12-24 18:00:05", usable_until="2027-01-01 00:00"))
    assert spec.valid_from == datetime(2026, 12, 24, 18, 0, 5, tzinfo=UTC)
    assert sheet_of(spec).general["usable_until"] == "2027-01-01 00:00"
