"""Frames: what is a message, what is not, and that no number changes on the way."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway.domain.frames import (
    Call,
    CallError,
    CallResult,
    Malformed,
    encode_call,
    encode_error,
    encode_result,
    parse_frame,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("hello", "not_json"),
        ("{}", "not_an_array"),
        ("[]", "not_an_array"),
        ("null", "not_an_array"),
        ("[2]", "wrong_shape"),
        ('["2","id","Heartbeat",{}]', "wrong_shape"),
        ('[true,"id","Heartbeat",{}]', "wrong_shape"),
        ('[2.0,"id","Heartbeat",{}]', "wrong_shape"),
        ('[9,"id",{}]', "wrong_shape"),
        ('[2,17,"Heartbeat",{}]', "wrong_unique_id"),
        ('[2,"","Heartbeat",{}]', "wrong_unique_id"),
        (f'[2,"{"x" * 37}","Heartbeat",{{}}]', "wrong_unique_id"),
        ('[2,"id",["Heartbeat"],{}]', "wrong_action"),
        ('[2,"id",{"Heartbeat":1},{}]', "wrong_action"),
        ('[2,"id","Heartbeat",[]]', "payload_not_an_object"),
        ('[2,"id","Heartbeat",{},{}]', "wrong_shape"),
        ('[3,"id",[]]', "payload_not_an_object"),
        ('[2,"id","StopTransaction",{"meterStop":1,"meterStop":2}]', "duplicate_key"),
        ('[2,"id","MeterValues",{"connectorId":1,"connectorId":2,"meterValue":[]}]', "duplicate_key"),
        ('[2,"id","MeterValues",{"connectorId":1,"connector\\u0049d":2,"meterValue":[]}]', "duplicate_key"),
        ('[2,"id","Heartbeat",{"a":NaN}]', "not_json"),
        ('[2,"id","Heartbeat",{"a":Infinity}]', "not_json"),
        ('[2,"id","StopTransaction",{"meterStop":123456789012345678901}]', "huge_integer"),
        (f'[2,"id","StopTransaction",{{"meterStop":{"9" * 5000}}}]', "not_json"),
        ("[" * 100_000, "too_deep"),
        (f'[2,"id","DataTransfer",{{"data":{"[" * 40}{"]" * 40}}}]', "too_deep"),
        (f'[2,"id","DataTransfer",{{"data":"{"x" * 1_048_576}"}}]', "too_large"),
        ("\ud800", "not_json"),
    ],
)
def test_what_is_no_message(text: str, reason: str) -> None:
    frame = parse_frame(text)
    assert isinstance(frame, Malformed)
    assert frame.reason == reason


def test_a_request_that_names_itself_can_be_refused_by_name() -> None:
    assert parse_frame('[2,"id","Heartbeat",[]]') == Malformed("payload_not_an_object", "id")


def test_brackets_in_text_are_not_depth() -> None:
    frame = parse_frame(f'[2,"id","DataTransfer",{{"vendorId":"x","data":"{"[" * 100}"}}]')
    assert isinstance(frame, Call)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[2,"id","Heartbeat",{}]', Call("id", "Heartbeat", {})),
        (' [ 2 , "id" , "Heartbeat" , { } ] ', Call("id", "Heartbeat", {})),
        ('[2,"id","Heartbeat"]', Call("id", "Heartbeat", {})),
        ('[2,"id","Heartbeat",null]', Call("id", "Heartbeat", {})),
        ('[3,"id",{"status":"Accepted"}]', CallResult("id", {"status": "Accepted"})),
        ('[3,"id"]', CallResult("id", {})),
        ('[4,"id","NotSupported","no",{"a":1}]', CallError("id", "NotSupported", "no", {"a": 1})),
        ('[4,"id","NotSupported"]', CallError("id", "NotSupported")),
        ('[4,"id","NotSupported",null,null]', CallError("id", "NotSupported")),
    ],
)
def test_what_is_a_message(text: str, frame: Any) -> None:
    assert parse_frame(text) == frame


@pytest.mark.parametrize("action", ["MeterValues", "StopTransaction"])
def test_a_number_keeps_every_digit(action: str) -> None:
    frame = parse_frame(f'[2,"id","{action}",{{"sampledValue":[{{"value": 43.12345678901234567890}}]}}]')
    assert isinstance(frame, Call)
    assert frame.payload["sampledValue"][0]["value"] == Decimal("43.12345678901234567890")


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.decimals(allow_nan=False, allow_infinity=False, places=6)
        | st.text(),
        lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
        max_leaves=12,
    )
)
def test_what_goes_out_comes_back_exactly(value: Any) -> None:
    frame = parse_frame(encode_call("id", "StopTransaction", {"value": value}))
    assert isinstance(frame, Call)
    assert frame.payload == {"value": value}


def test_a_decimal_leaves_with_its_own_digits() -> None:
    assert encode_result("id", {"cost": Decimal("12.34"), "list": [Decimal("1E+2")]}) == (
        '[3,"id",{"cost":12.34,"list":[100]}]'
    )


def test_an_error_is_cut_to_what_the_protocol_allows() -> None:
    encoded = json.loads(encode_error(CallError("id", "InternalError", "x" * 300)))
    assert encoded == [4, "id", "InternalError", "x" * 255, {}]


@given(st.binary(max_size=200))
def test_noise_never_raises(noise: bytes) -> None:
    parse_frame(noise.decode("utf-8", "replace"))


@given(st.text(max_size=60))
def test_the_fast_parser_and_the_exact_one_agree(text: str) -> None:
    encoded = orjson.dumps([2, "id", "StatusNotification", {"info": text, "connectorId": 1}], default=str, option=0)
    frame = parse_frame(encoded.decode())
    assert isinstance(frame, Call)
    assert frame.payload == {"info": text, "connectorId": 1}
