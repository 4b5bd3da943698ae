"""What a request may get wrong: the table of docs/ocpp.md, row by row."""

from decimal import Decimal
from typing import Any

import pytest

from ocpp_gateway.domain.defects import Checked, Refusal
from ocpp_gateway.domain.repairs import check_payload
from ocpp_gateway.domain.schemas import FROM_STATION_16, TO_STATION_16, validator

AT = "2026-03-01T12:00:00Z"
START = {"connectorId": 1, "idTag": "04ADA0001", "meterStart": 1000, "timestamp": AT}
STOP = {"transactionId": 7, "meterStop": 2000, "timestamp": AT}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
BOOT = {"chargePointVendor": "Wallbe", "chargePointModel": "Eco"}
SAMPLE = {"value": "1000", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}


def meter_values(*samples: Any, **entry: Any) -> dict[str, Any]:
    return {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": list(samples)} | entry]}


def samples_of(checked: Checked | Refusal) -> list[Any]:
    assert isinstance(checked, Checked), checked
    samples: list[Any] = checked.payload["meterValue"][0]["sampledValue"]
    return samples


def without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


@pytest.mark.parametrize(
    ("action", "payload", "expected"),
    [
        ("StatusNotification", STATUS | {"vendorNote": "x"}, STATUS),
        ("StatusNotification", STATUS | {"errorCode": "Overheated"}, STATUS | {"errorCode": "OtherError"}),
        ("StatusNotification", without(STATUS, "errorCode"), STATUS),
        ("StatusNotification", STATUS | {"info": "x" * 60}, STATUS | {"info": "x" * 50}),
        ("StatusNotification", STATUS | {"timestamp": None}, STATUS),
        ("StatusNotification", STATUS | {"timestamp": 1_700_000_000}, STATUS),
        ("StatusNotification", STATUS | {"connectorId": "2"}, STATUS | {"connectorId": 2}),
        ("BootNotification", BOOT | {"firmwareVersion": "v" * 80}, BOOT | {"firmwareVersion": "v" * 50}),
        ("BootNotification", BOOT | {"imsi": None, "iccid": 89_490}, BOOT | {"iccid": "89490"}),
        ("StartTransaction", START | {"reservationId": None}, START),
        (
            "StartTransaction",
            START | {"idTag": "04ADA0001_WALLBOX_SERIAL"},
            START | {"idTag": "04ADA0001_WALLBOX_SERIAL"},
        ),
        ("StartTransaction", START | {"meterStart": Decimal("1000.5")}, START | {"meterStart": Decimal("1000.5")}),
        ("StartTransaction", START | {"meterStart": "1000"}, START),
        ("StartTransaction", without(START, "timestamp"), without(START, "timestamp")),
        ("StopTransaction", STOP | {"reason": "CarLeft"}, STOP | {"reason": "Other"}),
        ("StopTransaction", without(STOP, "transactionId"), STOP | {"transactionId": 0}),
        ("StopTransaction", without(STOP, "meterStop"), without(STOP, "meterStop")),
        ("StopTransaction", STOP | {"transactionData": "none"}, STOP),
        ("StopTransaction", STOP | {"transactionData": [{"timestamp": AT}]}, STOP | {"transactionData": []}),
    ],
)
def test_a_defect_in_a_field_costs_the_field(action: str, payload: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(payload)
    checked = check_payload(action, payload)
    assert isinstance(checked, Checked), checked
    assert checked.payload == expected
    assert repr(payload) == before


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (SAMPLE | {"value": 1000}, SAMPLE),
        (SAMPLE | {"value": Decimal("43.123456789")}, SAMPLE | {"value": "43.123456789"}),
        (SAMPLE | {"unit": "KWH"}, SAMPLE | {"unit": "kWh"}),
        (SAMPLE | {"measurand": "SoC", "unit": "%"}, SAMPLE | {"measurand": "SoC", "unit": "Percent"}),
        (SAMPLE | {"context": "Sample.Every.Minute"}, SAMPLE),
        (SAMPLE | {"phase": None}, SAMPLE),
        (SAMPLE | {"quality": "good"}, SAMPLE),
    ],
)
def test_a_defect_in_a_samples_field_costs_the_field(sample: dict[str, Any], expected: dict[str, Any]) -> None:
    assert samples_of(check_payload("MeterValues", meter_values(sample, SAMPLE))) == [expected, SAMPLE]


@pytest.mark.parametrize(
    "sample",
    [
        SAMPLE | {"measurand": "Energy.Of.Some.Kind"},
        SAMPLE | {"unit": "horsepower"},
        SAMPLE | {"location": "Cellar"},
        SAMPLE | {"phase": "L4"},
        without(SAMPLE, "value"),
        SAMPLE | {"value": None},
        SAMPLE | {"value": True},
        "1000",
        None,
    ],
)
def test_a_sample_that_cannot_be_understood_is_dropped_alone(sample: Any) -> None:
    assert samples_of(check_payload("MeterValues", meter_values(SAMPLE, sample, SAMPLE, sample))) == [SAMPLE, SAMPLE]


def test_an_entry_that_cannot_be_understood_is_dropped_alone() -> None:
    payload = meter_values(SAMPLE)
    payload["meterValue"] += [None, {"timestamp": AT}, {"timestamp": AT, "sampledValue": "x"}]
    checked = check_payload("MeterValues", payload)
    assert isinstance(checked, Checked)
    assert checked.payload == meter_values(SAMPLE)
    assert checked.repairs == ("entry: dropped",) * 3


def test_an_entry_without_a_moment_is_kept() -> None:
    checked = check_payload("MeterValues", {"connectorId": 1, "meterValue": [{"sampledValue": [SAMPLE]}]})
    assert samples_of(checked) == [SAMPLE]


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("StatusNotification", STATUS | {"status": "Sleeping"}, "PropertyConstraintViolation"),
        ("StatusNotification", without(STATUS, "status"), "OccurenceConstraintViolation"),
        ("StartTransaction", START | {"connectorId": "left"}, "TypeConstraintViolation"),
        ("StartTransaction", START | {"idTag": "x" * 37}, "PropertyConstraintViolation"),
        ("StartTransaction", without(START, "meterStart"), "OccurenceConstraintViolation"),
        ("StopTransaction", STOP | {"transactionId": "abc"}, "TypeConstraintViolation"),
        ("StopTransaction", STOP | {"transactionId": Decimal("1.5")}, "TypeConstraintViolation"),
        ("MeterValues", {"connectorId": 1, "meterValue": {}}, "TypeConstraintViolation"),
        ("BootNotification", {"chargePointModel": "Eco"}, "OccurenceConstraintViolation"),
        ("Authorize", {}, "OccurenceConstraintViolation"),
    ],
)
def test_what_cannot_be_understood_is_refused(action: str, payload: dict[str, Any], code: str) -> None:
    checked = check_payload(action, payload)
    assert isinstance(checked, Refusal), checked
    assert checked.code == code
    assert checked.description


@pytest.mark.parametrize("action", sorted(FROM_STATION_16 | TO_STATION_16))
def test_every_schema_compiles(action: str) -> None:
    assert not validator(action).is_valid({"no": object.__name__, "such": 1, "field": []})
