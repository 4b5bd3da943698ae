"""OCPP-J frames: text in, values out, and back (OCPP-J 1.6, 4.2). Pure.

Everything a hostile or broken station can put into a frame is decided here, before any other code sees it: size, depth,
shape of the envelope, duplicate keys, NaN, integers of thousands of digits. Numbers are exact: a number with a fraction
is a `Decimal`, never a float.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import orjson

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4

MAX_FRAME_CHARACTERS: Final = 1_048_576
# Only a report of many samples has a reason to be longer than this.
MAX_PLAIN_CHARACTERS: Final = 65_536
MAX_DEPTH: Final = 32
MAX_UNIQUE_ID: Final = 36
MAX_ACTION: Final = 50
# The largest 64-bit integer has 19 digits; nothing in OCPP is larger.
MAX_INTEGER_DIGITS: Final = 20
MAX_ERROR_DESCRIPTION: Final = 255

# Actions whose numbers are all identifiers (a sampled value is text), so that the fast parser, which knows binary
# fractions only, is exact for them.
_FAST_ACTIONS: Final = frozenset({"MeterValues", "Heartbeat", "StatusNotification"})
_VALUE_NOT_TEXT: Final = re.compile(r'"value"\s*:\s*[^"\s]')
# Never looks at a character twice, whatever the text (possessive): an open string is taken to the end.
_STRINGS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NUL: Final = "\x00"
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*+\\u0000")
_BEGINNING_OF_CALL: Final = re.compile(
    rf'\s*+\[\s*+2\s*+,\s*+"([^"\\]{{1,{MAX_UNIQUE_ID}}})"\s*+,\s*+"([^"\\]{{1,{MAX_ACTION}}})"'
)
_MAY_BE_LONG: Final = frozenset(
    {"MeterValues", "StopTransaction", "TransactionEvent", "NotifyReport", "NotifyEvent", "NotifyMonitoringReport"}
)


class ErrorCode:
    """Error codes of a CALLERROR, spelled as OCPP-J 1.6 spells them (table 7)."""

    NOT_IMPLEMENTED = "NotImplemented"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `payload` is as it came: not yet checked against the action's schema."""

    unique_id: str
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallResult:
    unique_id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallError:
    unique_id: str
    code: str
    description: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not an OCPP-J message. `unique_id` is set when the request can be refused by name."""

    reason: str
    unique_id: str = ""


Frame = Call | CallResult | CallError | Malformed


class _NotAcceptable(ValueError):
    """JSON that Python would read and we do not."""


def parse_frame(text: str) -> Frame:
    """Read one frame. Never raises: what is no message comes back as `Malformed` with its reason.

    Tolerated: a missing or null payload, whitespace, a CALLERROR without description or details. The character U+0000
    is refused wherever it stands, escaped or not: PostgreSQL cannot keep it.
    """
    if len(text) > MAX_PLAIN_CHARACTERS:
        beginning = _BEGINNING_OF_CALL.match(text)
        if len(text) > MAX_FRAME_CHARACTERS or beginning is None or beginning[2] not in _MAY_BE_LONG:
            return Malformed("too_large", _nameable(beginning[1]) if beginning is not None else "")
    if _NUL in text:
        return Malformed("nul_character")
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        return Malformed("too_deep")
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Malformed("not_json")
    if not isinstance(message, list) or not message:
        return Malformed("not_an_array")
    if not _is_fast(message, text):
        try:
            message = _parse_exactly(text)
        except (ValueError, RecursionError) as error:
            return Malformed(str(error) if isinstance(error, _NotAcceptable) else "not_json")
    frame = _envelope(message)
    if "\\u0000" in text and _ESCAPED_NUL.search(text):
        return Malformed("nul_character", _nameable(frame.unique_id) if isinstance(frame, Call | Malformed) else "")
    return frame


def encode_call(unique_id: str, action: str, payload: Mapping[str, Any]) -> str:
    return _dump([CALL, unique_id, action, payload])


def encode_result(unique_id: str, payload: Mapping[str, Any]) -> str:
    return _dump([CALL_RESULT, unique_id, payload])


def encode_error(error: CallError) -> str:
    return _dump([CALL_ERROR, error.unique_id, error.code, error.description[:MAX_ERROR_DESCRIPTION], error.details])


def _envelope(message: list[Any]) -> Frame:
    if len(message) < 2 or type(message[0]) is not int:
        return Malformed("wrong_shape")
    kind, unique_id = message[0], message[1]
    if not isinstance(unique_id, str) or not 0 < len(unique_id) <= MAX_UNIQUE_ID:
        return Malformed("wrong_unique_id")
    if kind == CALL:
        return _call(unique_id, message)
    if kind == CALL_RESULT and len(message) in {2, 3}:
        payload = message[2] if len(message) == 3 else {}
        return CallResult(unique_id, payload) if isinstance(payload, dict) else Malformed("payload_not_an_object")
    if kind == CALL_ERROR and 3 <= len(message) <= 5 and isinstance(message[2], str):
        description = message[3] if len(message) > 3 and isinstance(message[3], str) else ""
        details = message[4] if len(message) > 4 and isinstance(message[4], dict) else {}
        return CallError(unique_id, message[2], description, details)
    return Malformed("wrong_shape")


def _call(unique_id: str, message: list[Any]) -> Call | Malformed:
    if len(message) not in {3, 4}:
        return Malformed("wrong_shape", unique_id)
    action = message[2]
    payload = message[3] if len(message) == 4 else {}
    if not isinstance(action, str) or not 0 < len(action) <= MAX_ACTION:
        return Malformed("wrong_action", unique_id)
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        return Malformed("payload_not_an_object", unique_id)
    return Call(unique_id, action, payload)


def _nameable(unique_id: str) -> str:
    """The id under which a request can be refused; empty when it cannot be kept or repeated itself."""
    return unique_id if unique_id.isprintable() else ""


def _is_fast(message: list[Any], text: str) -> bool:
    """True when the fast parser's result is exact: a common action, sampled values in quotes, no duplicate keys.

    Without backslashes a quote followed by a colon ends a key, so the keys of both texts can simply be counted.
    """
    if len(message) < 4 or not isinstance(message[2], str) or message[2] not in _FAST_ACTIONS or "\\" in text:
        return False
    return text.count('":') == orjson.dumps(message).count(b'":') and _VALUE_NOT_TEXT.search(text) is None


def _parse_exactly(text: str) -> Any:
    return json.loads(
        text,
        object_pairs_hook=_object_without_duplicates,
        parse_float=Decimal,
        parse_int=_integer,
        parse_constant=_refuse_constant,
    )


def _object_without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _NotAcceptable("duplicate_key")
    return result


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise _NotAcceptable("huge_integer")
    return int(digits)


def _refuse_constant(name: str) -> Any:
    raise _NotAcceptable("not_a_number")


def _depth(text: str) -> int:
    """Deepest nesting of the text's brackets outside its strings; counting ends beyond `MAX_DEPTH`."""
    deepest = depth = 0
    for character in _STRINGS.sub("", text):
        if character in "[{":
            depth += 1
            if depth > deepest:
                deepest = depth
                if deepest > MAX_DEPTH:
                    break
        elif character in "]}":
            depth -= 1
    return deepest


def _dump(message: list[Any]) -> str:
    """JSON without whitespace; a Decimal leaves with exactly the digits it has."""
    try:
        return orjson.dumps(message).decode()
    except orjson.JSONEncodeError:
        return _dump_exactly(message)


def _dump_exactly(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(key))}:{_dump_exactly(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_dump_exactly(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
