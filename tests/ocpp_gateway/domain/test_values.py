"""From what stations write to our values."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.samples import MeterSample
from ocpp_gateway.domain.values import (
    Moment,
    normalise_id_tag,
    read_decimal,
    read_moment,
    read_samples,
    write_moment,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T11:59:00Z", NOON - timedelta(minutes=1)),
        ("2026-03-01T11:59:00.000Z", NOON - timedelta(minutes=1)),
        ("2026-03-01T11:59:00.123456789Z", NOON - timedelta(minutes=1) + timedelta(microseconds=123_456)),
        ("2026-03-01T12:59:00+01:00", NOON - timedelta(minutes=1)),
        ("2026-03-01T12:59:00+0100", NOON - timedelta(minutes=1)),
        ("2026-03-01T11:59:00", NOON - timedelta(minutes=1)),
        ("2026-03-01 11:59:00", NOON - timedelta(minutes=1)),
        (" 2026-03-01T11:59:00Z ", NOON - timedelta(minutes=1)),
        ("2026-03-01T12:04:00Z", NOON + timedelta(minutes=4)),
    ],
)
def test_moments_that_are_believed(text: str, moment: datetime) -> None:
    assert read_moment(text, received_at=NOON) == Moment(moment, moment, is_believed=True)


@pytest.mark.parametrize(
    ("text", "reported_at"),
    [
        ("1970-01-01T00:00:07Z", datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)),
        ("2026-03-01T13:00:00Z", NOON + timedelta(hours=1)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", NOON),
        ("9999-12-31T23:59:59-14:00", NOON),
        ("noon", NOON),
        ("", NOON),
        (None, NOON),
        (1_700_000_000, NOON),
    ],
)
def test_moments_that_are_not_believed_become_the_moment_of_arrival(text: Any, reported_at: datetime) -> None:
    assert read_moment(text, received_at=NOON) == Moment(NOON, reported_at, is_believed=False)


def test_a_known_offset_corrects_the_moment_and_keeps_what_was_said() -> None:
    moment = read_moment("2026-03-01T12:59:00Z", received_at=NOON, clock_offset=timedelta(hours=-1))
    assert moment == Moment(NOON - timedelta(minutes=1), NOON + timedelta(minutes=59), is_believed=True)


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    assert write_moment(NOON + timedelta(microseconds=1_500)) == "2026-03-01T12:00:00.001Z"


def read(*samples: dict[str, Any]) -> list[MeterSample]:
    return read_samples([{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": list(samples)}], received_at=NOON)


@pytest.mark.parametrize(
    ("sample", "measurand", "value"),
    [
        ({"value": "1000"}, "energy_wh", "1000"),
        ({"value": "1000", "unit": "Wh"}, "energy_wh", "1000"),
        ({"value": "0.15003", "unit": "kWh", "measurand": "Energy.Active.Import.Register"}, "energy_wh", "150.03"),
        ({"value": "0.15003999999999998", "unit": "kWh"}, "energy_wh", "150.0400"),
        ({"value": "43.123456789", "unit": "kWh"}, "energy_wh", "43123.4568"),
        ({"value": "11", "unit": "kW", "measurand": "Power.Active.Import"}, "power_w", "11000"),
        ({"value": "10997.10", "unit": "W", "measurand": "Power.Active.Import"}, "power_w", "10997.10"),
        ({"value": "16.1", "measurand": "Current.Import", "unit": "A"}, "current_a", "16.1"),
        ({"value": "230", "measurand": "Voltage"}, "voltage_v", "230"),
        ({"value": "44.00", "measurand": "SoC"}, "soc_percent", "44.00"),
        ({"value": "1e3"}, "energy_wh", "1000"),
    ],
)
def test_samples_in_our_units(sample: dict[str, Any], measurand: str, value: str) -> None:
    assert read(sample) == [MeterSample(NOON, NOON, measurand, Decimal(value))]


def test_phase_and_context_are_kept() -> None:
    sample = {"value": "230", "measurand": "Voltage", "phase": "L1-N", "context": "Transaction.Begin"}
    assert read(sample) == [MeterSample(NOON, NOON, "voltage_v", Decimal(230), "L1-N", "Transaction.Begin")]


@pytest.mark.parametrize(
    "sample",
    [
        {"value": "5", "measurand": "Temperature", "unit": "Celsius"},
        {"value": "5", "measurand": "Energy.Active.Export.Register"},
        {"value": "5", "measurand": "Energy.Active.Import.Interval"},
        {"value": "OCMF|{...}", "format": "SignedData"},
        {"value": "5", "location": "Inlet"},
        {"value": "5", "unit": "A"},
        {"value": "five"},
        {"value": "NaN"},
        {"value": "Infinity"},
        {"value": ""},
        {"value": "1" * 30},
    ],
)
def test_samples_that_are_skipped(sample: dict[str, Any]) -> None:
    assert read(sample) == []


def test_a_float_is_never_read() -> None:
    assert read_decimal(0.1) is None


@pytest.mark.parametrize(
    ("tag", "separator", "expected"),
    [
        ("  04Ada0001 ", "", "04Ada0001"),
        ("04ADA0001_4711", "_", "04ADA0001"),
        ("04ADA0001_4711", "", "04ADA0001_4711"),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_tags(tag: Any, separator: str, expected: str) -> None:
    assert normalise_id_tag(tag, suffix_separator=separator) == expected
