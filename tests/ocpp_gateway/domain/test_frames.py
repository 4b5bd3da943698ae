"""Frames: what is a message, what is not, and that no number changes on the way."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
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
from ocpp_gateway.domain.masking import mask_frame

# Any text a frame may hold.
TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")


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
        ("[" * 60_000, "too_deep"),
        ("[" * 100_000, "too_large"),
        (f'[2,"id","DataTransfer",{{"data":{"[" * 40}{"]" * 40}}}]', "too_deep"),
        (f'[2,"id","DataTransfer",{{"data":"{"x" * 1_048_576}"}}]', "too_large"),
        (f'[3,"id",{{"data":"{"x" * 65_536}"}}]', "too_large"),
        ("\ud800", "not_json"),
        ("\x00", "nul_character"),
        ('[2,"id","Heartbeat",{"a":"\x00"}]', "nul_character"),
        ('[2,"id","Heart\\u0000beat",{}]', "nul_character"),
        ('[2,"id","DataTransfer",{"a\\u0000":1}]', "nul_character"),
        ('[2,"i\\u0000d","Heartbeat",{}]', "nul_character"),
        ('[3,"id",{"a":["\\\\\\u0000"]}]', "nul_character"),
    ],
)
def test_what_is_no_message(text: str, reason: str) -> None:
    frame = parse_frame(text)
    assert isinstance(frame, Malformed)
    assert frame.reason == reason


def test_a_request_that_names_itself_can_be_refused_by_name() -> None:
    assert parse_frame('[2,"id","Heartbeat",[]]') == Malformed("payload_not_an_object", "id")


@pytest.mark.parametrize(
    ("text", "unique_id"),
    [
        ('[2,"id","StopTransaction",{"idTag":"\\u0000"}]', "id"),
        ('[2,"id","Heart\\u0000beat",{}]', "id"),
        ('[2,"\\u0000","Heartbeat",{}]', ""),
        ('[3,"id",{"status":"\\u0000"}]', ""),
    ],
)
def test_a_nul_is_refused_by_name_where_there_is_one(text: str, unique_id: str) -> None:
    assert parse_frame(text) == Malformed("nul_character", unique_id)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    frame = parse_frame('[2,"id","DataTransfer",{"data":"\\\\u0000"}]')
    assert frame == Call("id", "DataTransfer", {"data": "\\u0000"})


def long_frame(action: str) -> str:
    return f' [ 2, "id", "{action}", {{"x":"{"x" * 65_536}"}}]'


def test_only_reports_of_samples_may_be_long() -> None:
    assert isinstance(parse_frame(long_frame("MeterValues")), Call)
    assert isinstance(parse_frame(long_frame("StopTransaction")), Call)
    assert parse_frame(long_frame("DataTransfer")) == Malformed("too_large", "id")
    assert parse_frame(long_frame("MakeCoffee")) == Malformed("too_large", "id")


BEFORE_DATA = '[2,"id","StopTransaction",{"x":'
_DEEP = "[" * 40


@pytest.mark.parametrize(
    "shape",
    [
        lambda n: _DEEP + '"' + '\\"' * (n // 2),
        lambda n: "[]" * 20 + '"' + '\\"' * (n // 2) + "\\",
        lambda n: "[]" * 20 + '"' * (n | 1),
        lambda n: "[]" * 20 + "\\" * n,
        lambda n: "[]" * 20 + '"' + "\\\n" * (n // 2) + "\\",
        lambda n: "[]" * (n // 2),
        lambda n: BEFORE_DATA + "[" + "[]," * (n // 3) + "[]]}]",
        lambda n: BEFORE_DATA + "9" * n + "}]",
        lambda n: BEFORE_DATA + "0." + "9" * n + "}]",
        lambda n: BEFORE_DATA + "1e" + "9" * n + "}]",
        lambda n: BEFORE_DATA + '"' + "\\u0041" * (n // 6) + '"}]',
        lambda n: BEFORE_DATA + '"' + "\\\\" * (n // 2) + 'u0000"}]',
        lambda n: BEFORE_DATA + '"' + "\\\\u0000" * (n // 7) + '"}]',
        lambda n: '[2,"id","MeterValues",{"value"' + " " * n + ":" + " " * n + '"1"}]',
        lambda n: '[2,"id","MeterValues",{"x":["value","value"' + ',"value"' * (n // 8) + "]}]",
        lambda n: " " * n + "[",
    ],
)
@pytest.mark.parametrize("read", [parse_frame, partial(mask_frame, mask_id_tags=True)])
def test_the_cost_of_a_frame_grows_with_its_length_only(
    read: Callable[[str], object], shape: Callable[[int], str]
) -> None:
    """Four times the text costs about four times the work; a rescan from every quote would cost sixteen times."""

    def cost(size: int) -> int:
        return min(measured(read, shape(size)) for _ in range(5))

    assert cost(60_000) < 10 * cost(15_000) + 2_000_000


def measured(read: Callable[[str], object], text: str) -> int:
    """CPU time of this thread, in nanoseconds."""
    before = time.thread_time_ns()
    read(text)
    return time.thread_time_ns() - before


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
        | st.text(TEXT),
        lambda children: (
            st.lists(children, max_size=4) | st.dictionaries(st.text(TEXT, max_size=8), children, max_size=4)
        ),
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


@given(st.text(TEXT, max_size=60))
def test_the_fast_parser_and_the_exact_one_agree(text: str) -> None:
    encoded = orjson.dumps([2, "id", "StatusNotification", {"info": text, "connectorId": 1}], default=str, option=0)
    frame = parse_frame(encoded.decode())
    assert isinstance(frame, Call)
    assert frame.payload == {"info": text, "connectorId": 1}
