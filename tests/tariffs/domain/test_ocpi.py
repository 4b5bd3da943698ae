"""Tariffs and CDRs from outside: both forms of OCPI, and every defect by its path."""

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.ocpi import canonical_json, digest, parse_tariff, parse_tariff_text
from tariffs.domain.ocpi_cdr import parse_cdr, parse_time_zone
from tariffs.domain.spec import PeriodState, PriceLimit, TariffSpec, TaxIncluded
from tests.tariffs.domain.strategies import tariffs


def tariff(**changes: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "VLT",
        "id": "T1",
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": Decimal("0.50"), "vat": 21, "step_size": 1}]}],
        "last_updated": "2026-01-05T08:00:00Z",
    } | changes


def cdr(**changes: Any) -> dict[str, Any]:
    return {
        "start_date_time": "2026-06-17T10:00:00Z",
        "end_date_time": "2026-06-17T11:00:00Z",
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": "2026-06-17T10:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 20}, {"type": "TIME", "volume": 1}],
            }
        ],
    } | changes


def defects(document: object) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse_tariff(document)
    return list(caught.value.details)


def cdr_defects(document: object) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse_cdr(document)
    return list(caught.value.details)


def test_both_forms_of_a_price_limit_mean_the_same() -> None:
    old = parse_tariff(tariff(max_price={"excl_vat": 10, "incl_vat": Decimal("12.10")}))
    new = parse_tariff(tariff(max_price={"before_taxes": 10, "after_taxes": Decimal("12.1")}, tax_included="NO"))
    summed = parse_tariff(
        tariff(max_price={"before_taxes": 10, "taxes": [{"name": "VAT", "amount": Decimal("2.10")}]}, tax_included="NO")
    )
    assert old == new == summed
    assert old.max_price == PriceLimit(Decimal(10), Decimal("12.10"))
    assert digest(old) == digest(new)


def test_what_decides_no_price_does_not_change_the_digest() -> None:
    renamed = tariff(id="T2", last_updated="2026-02-01T00:00:00Z", tariff_alt_text=[{"language": "en", "text": "x"}])
    assert digest(parse_tariff(tariff())) == digest(parse_tariff(renamed))
    assert canonical_json(parse_tariff(tariff())) == (
        '{"currency": "EUR", "elements": [{"price_components": '
        '[{"price": 0.5, "step_size": 1, "type": "ENERGY", "vat": 21}]}], "tax_included": "NO"}'
    )


@settings(max_examples=40, deadline=None)
@given(tariffs())
def test_a_tariff_survives_its_canonical_form(spec: TariffSpec) -> None:
    assert parse_tariff_text(canonical_json(spec)) == spec


def test_every_defect_is_named_with_its_path() -> None:
    document = tariff(
        currency="EURO",
        tax_included="MAYBE",
        colour="green",
        min_price={"excl_vat": 5, "incl_vat": 4},
        max_price={},
        end_date_time="yesterday",
        elements=[
            {
                "price_components": [
                    {"type": "ENERGY", "price": Decimal("NaN"), "step_size": -1},
                    {"type": "HEAT", "price": "0.50", "vat": -1, "step_size": Decimal("1.5")},
                    {"type": "TIME", "price": Decimal("Infinity"), "vat": 2100, "step_size": 1, "unit": "h"},
                ],
                "restrictions": {
                    "start_time": "25:00",
                    "end_time": "24:00",
                    "start_date": "2026-02-30",
                    "min_kwh": 20,
                    "max_kwh": 10,
                    "day_of_week": ["MONDAY", "Tuesday"],
                    "max_power": True,
                    "min_duration": 90,
                    "max_duration": 90,
                },
            },
            {"price_components": []},
            "free",
            {
                "price_components": [
                    {"type": "ENERGY", "price": 1, "step_size": 1},
                    {"type": "ENERGY", "price": 2, "step_size": 1},
                ],
                "restrictions": {"reservation": "RESERVATION"},
            },
        ],
    )
    assert defects(document) == [
        "tariff.currency: must be an ISO 4217 currency code in capitals",
        "tariff.tax_included: must be one of YES, NO, N/A",
        "tariff.min_price: cannot be lower after taxes than before",
        "tariff.max_price: must give an amount before or after taxes",
        "tariff.end_date_time: must be a moment such as 2026-12-24T18:00:00Z",
        "tariff.elements[0].price_components[0].price: must be a finite number",
        "tariff.elements[0].price_components[0].step_size: must be between 0 and 1000000000",
        "tariff.elements[0].price_components[1].type: must be one of ENERGY, FLAT, TIME, PARKING_TIME",
        "tariff.elements[0].price_components[1].price: must be a number, not text",
        "tariff.elements[0].price_components[1].vat: must be at least 0",
        "tariff.elements[0].price_components[1].step_size: must be a whole number",
        "tariff.elements[0].price_components[2].price: must be a finite number",
        "tariff.elements[0].price_components[2].vat: is a percentage: 20 means 20 %",
        "tariff.elements[0].price_components[2].unit: is not a known field here",
        "tariff.elements[0].restrictions.max_power: must be a number, not true or false",
        "tariff.elements[0].restrictions.start_date: must be a date such as 2026-12-24",
        "tariff.elements[0].restrictions.max_kwh: is exclusive, so it must be above min_kwh",
        "tariff.elements[0].restrictions.max_duration: is exclusive, so it must be above min_duration",
        "tariff.elements[0].restrictions.start_time: must be a time of day such as 13:30",
        "tariff.elements[0].restrictions.end_time: must be a time of day such as 13:30",
        "tariff.elements[0].restrictions.day_of_week[1]: must be one of MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, "
        "SATURDAY, SUNDAY",
        "tariff.elements[1].price_components: must not be empty",
        "tariff.elements[2]: must be an object, not text",
        "tariff.elements[3].price_components[1]: prices ENERGY a second time in one element",
        "tariff.elements[3].price_components: a reservation is priced by FLAT and TIME only",
        "tariff.colour: is not a known field here",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"elements": None}, "tariff.elements: is required"),
        ({"currency": None}, "tariff.currency: is required"),
        ({"elements": [{}] * 501}, "tariff.elements: may have at most 500 entries"),
        (
            {"min_price": {"excl_vat": 5}, "max_price": {"excl_vat": 4}},
            "tariff.max_price: must not be below min_price",
        ),
        (
            {"max_price": {"excl_vat": 5, "before_taxes": 5}},
            "tariff.max_price.before_taxes: and excl_vat mean the same; give one",
        ),
        (
            {"start_date_time": "2026-01-02T00:00:00Z", "end_date_time": "2026-01-01T00:00:00Z"},
            "tariff.end_date_time: must be after start_date_time",
        ),
        (
            {"elements": [{"price_components": [{"type": "FLAT", "price": 1.5, "step_size": 1}]}]},
            "tariff.elements[0].price_components[0].price: must be a number, not a float",
        ),
        (
            {"elements": [{"price_components": [{"type": "FLAT", "price": Decimal("1E+999999"), "step_size": 1}]}]},
            "tariff.elements[0].price_components[0].price: must be below 10^12 and have at most 12 decimals",
        ),
    ],
)
def test_a_single_defect(changes: dict[str, Any], expected: str) -> None:
    assert defects(tariff(**changes)) == [expected]


def test_something_else_than_an_object() -> None:
    assert defects([]) == ["tariff: must be an object, not a list"]
    assert cdr_defects(None) == ["cdr: must be an object, not null"]


def test_json_text_with_repeated_keys_nan_or_a_mistake() -> None:
    with pytest.raises(BadInput) as caught:
        jsontext.loads('{"a": {"b": 1, "b": 2}, "c": [{"d": 1, "d": 1}]}')
    assert list(caught.value.details) == ["$.a.b: is given more than once", "$.c[0].d: is given more than once"]
    with pytest.raises(BadInput) as caught:
        jsontext.loads('{"a": 1,}')
    assert caught.value.details[0].startswith("line 1 column")
    with pytest.raises(BadInput):
        jsontext.loads(b"\xff")
    with pytest.raises(BadInput):
        jsontext.loads("[" * 100_000 + "]" * 100_000)
    with pytest.raises(BadInput):
        jsontext.loads("[" * 80 + "]" * 80)
    assert jsontext.loads("[1.10, NaN]")[0] == Decimal("1.10")


def test_json_text_that_would_break_what_reads_it() -> None:
    with pytest.raises(BadInput) as caught:
        jsontext.loads(r'{"a": "\ud800", "\udfff": 1}')
    assert list(caught.value.details) == ["$.a: is not valid text", "$: has a key that is not valid text"]
    too_large, too_long = jsontext.loads(f"[1E+{'9' * 30}, {'9' * 5000}]")
    assert too_large.is_nan()
    assert too_long > 10**4000


def test_json_text_is_written_without_floats() -> None:
    assert jsontext.dumps({"b": Decimal("1.50"), "a": [None, True, 3, "€"]}) == '{"b": 1.50, "a": [null, true, 3, "€"]}'
    assert jsontext.dumps(Decimal("1E+3")) == "1000"
    with pytest.raises(TypeError):
        jsontext.dumps(0.1)


def test_a_cdr_becomes_periods() -> None:
    read = parse_cdr(
        cdr(
            cdr_location={"id": "L1", "time_zone": "Europe/Berlin"},
            charging_periods=[
                {
                    "start_date_time": "2026-06-17T10:00:00",
                    "dimensions": [
                        {"type": "ENERGY", "volume": Decimal("7.5")},
                        {"type": "TIME", "volume": Decimal("0.5")},
                        {"type": "MAX_POWER", "volume": 22},
                        {"type": "MIN_CURRENT", "volume": 16},
                        {"type": "STATE_OF_CHARGE", "volume": 80},
                    ],
                    "tariff_id": "T1",
                },
                {
                    "start_date_time": "2026-06-17T12:30:00+02:00",
                    "dimensions": [{"type": "PARKING_TIME", "volume": Decimal("0.5")}],
                },
            ],
        )
    )
    assert read.time_zone == "Europe/Berlin"
    charging, parked = read.periods
    assert charging.start_at == datetime(2026, 6, 17, 10, tzinfo=UTC)
    assert charging.end_at == parked.start_at == datetime(2026, 6, 17, 10, 30, tzinfo=UTC)
    assert (charging.state, charging.energy_wh) == (PeriodState.CHARGING, Decimal(7500))
    assert (charging.min_power_kw, charging.max_power_kw, charging.min_current_a) == (
        Decimal(22),
        Decimal(22),
        Decimal(16),
    )
    assert (parked.state, parked.end_at.time()) == (PeriodState.PARKED, time(11))


def test_a_period_with_charging_and_parking_charged_first() -> None:
    dimensions = [
        {"type": "ENERGY", "volume": 5},
        {"type": "TIME", "volume": Decimal("0.25")},
        {"type": "PARKING_TIME", "volume": Decimal("0.75")},
    ]
    read = parse_cdr(cdr(charging_periods=[{"start_date_time": "2026-06-17T10:00:00Z", "dimensions": dimensions}]))
    charging, parked = read.periods
    assert charging.end_at == parked.start_at == datetime(2026, 6, 17, 10, 15, tzinfo=UTC)
    assert (charging.energy_wh, parked.energy_wh) == (Decimal(5000), Decimal(0))


def test_a_cdr_of_reservation_time_only_expired() -> None:
    periods = [{"start_date_time": "2026-06-17T10:00:00Z", "dimensions": [{"type": "RESERVATION_TIME", "volume": 1}]}]
    assert [period.state for period in parse_cdr(cdr(charging_periods=periods)).periods] == [
        PeriodState.RESERVATION_EXPIRED
    ]


def test_every_defect_of_a_cdr_is_named() -> None:
    document = cdr(
        mood="good",
        cdr_location={"time_zone": "Mars/Olympus"},
        charging_periods=[
            {"start_date_time": "2026-06-17T10:30:00Z", "dimensions": [{"type": "ENERGY", "volume": -1}]},
            {"start_date_time": "2026-06-17T10:00:00Z", "dimensions": [{"type": "WARMTH", "volume": 1}]},
            {"dimensions": [], "note": 1},
        ],
    )
    assert cdr_defects(document) == [
        "cdr.cdr_location.time_zone: must be an IANA time zone such as Europe/Berlin",
        "cdr.charging_periods[2].start_date_time: is required",
        "cdr.charging_periods[1].start_date_time: must not be before the period before it",
        "cdr.charging_periods[0].dimensions[0].volume: must be at least 0",
        "cdr.charging_periods[1].dimensions[0].type: must be one of CURRENT, ENERGY, ENERGY_EXPORT, ENERGY_IMPORT, "
        "MAX_CURRENT, MIN_CURRENT, MAX_POWER, MIN_POWER, PARKING_TIME, POWER, RESERVATION_TIME, STATE_OF_CHARGE, TIME",
        "cdr.charging_periods[2].dimensions: must not be empty",
        "cdr.charging_periods[2].note: is not a known field here",
        "cdr.mood: is not a known field here",
    ]


@pytest.mark.parametrize(
    ("dimensions", "expected"),
    [
        ([("TIME", "0.5")], "the time volumes add up to 0.5 h, but the period lasts 1.0000 h"),
        ([("TIME", "0.5"), ("RESERVATION_TIME", "0.5")], "a period is either reserved or in use; split it"),
        ([("ENERGY", "1"), ("RESERVATION_TIME", "1")], "no energy flows while a connector is only reserved"),
    ],
)
def test_volumes_that_do_not_fit(dimensions: list[tuple[str, str]], expected: str) -> None:
    volumes = [{"type": kind, "volume": Decimal(volume)} for kind, volume in dimensions]
    document = cdr(charging_periods=[{"start_date_time": "2026-06-17T10:00:00Z", "dimensions": volumes}])
    assert cdr_defects(document) == [f"cdr.charging_periods[0].dimensions: {expected}"]


def test_a_cdr_longer_than_a_year_or_backwards() -> None:
    assert cdr_defects(cdr(end_date_time="2028-06-17T10:00:00Z"))[0] == (
        "cdr.end_date_time: is more than 366 days after the first period began"
    )
    assert cdr_defects(cdr(end_date_time="2026-06-17T09:00:00Z")) == [
        "cdr.end_date_time: must not be before start_date_time",
        "cdr.end_date_time: must not be before the last period begins",
    ]


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe", 3])
def test_an_unknown_time_zone(name: object) -> None:
    with pytest.raises(BadInput) as caught:
        parse_time_zone(name)
    assert list(caught.value.details) == ["time_zone: must be an IANA time zone such as Europe/Berlin"]


def test_tax_included_as_2_3_0_writes_it() -> None:
    assert parse_tariff(tariff(tax_included="N/A")).tax_included is TaxIncluded.NOT_APPLICABLE
