"""JSON text in and out without ever touching a float.

`loads` reads numbers as int or Decimal and reports repeated keys; NaN and Infinity arrive as Decimals for the reader of
the field to refuse with its path. `dumps` writes Decimals as plain JSON numbers.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from common.errors import BadInput

MAX_DEPTH = 64
LONGEST_INTEGER = 30


class _Repeated(dict[str, Any]):
    """An object in which a key stood twice; kept apart so that its path can be told."""

    keys_repeated: tuple[str, ...] = ()


def loads(text: str | bytes) -> Any:
    """Parse JSON. Raises BadInput naming the place of a syntax error, or every repeated key and text that is none."""
    try:
        value = json.loads(
            text, parse_float=_decimal, parse_int=_integer, parse_constant=Decimal, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise BadInput(
            "This is not valid JSON.", details=[f"line {error.lineno} column {error.colno}: {error.msg}"]
        ) from error
    except UnicodeDecodeError as error:
        raise BadInput("This is not UTF-8 text.", details=[f"byte {error.start}: {error.reason}"]) from error
    except (RecursionError, ValueError) as error:
        raise BadInput("This JSON is nested too deeply or holds a number too long to read.") from error
    details: list[str] = []
    _find_mistakes(value, "$", 0, details)
    if details:
        raise BadInput("This JSON has mistakes.", details=details)
    return value


def dumps(value: object, *, sort_keys: bool = False) -> str:
    """Write JSON on one line. Decimals become plain numbers; floats raise TypeError."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        items = sorted(value.items()) if sort_keys else value.items()
        inner = ", ".join(
            f"{json.dumps(str(key), ensure_ascii=False)}: {dumps(item, sort_keys=sort_keys)}" for key, item in items
        )
        return "{" + inner + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(dumps(item, sort_keys=sort_keys) for item in value) + "]"
    if value is None or isinstance(value, bool | int | str):
        return json.dumps(value, ensure_ascii=False)
    raise TypeError(f"{type(value).__name__} has no exact JSON form here")


def plain(number: Decimal | None) -> Decimal | None:
    """The number without trailing zeros, never in exponent form: 0.50 and 0.5 are one price."""
    if number is None:
        return None
    if number == number.to_integral_value():
        return number.quantize(Decimal(1))
    return number.normalize()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    seen: set[str] = set()
    repeated = _Repeated(plain)
    repeated.keys_repeated = tuple(dict.fromkeys(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return repeated


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent no Decimal can hold
        return Decimal("NaN")


def _integer(text: str) -> int | Decimal:
    """Converting very long integers is slow; as a Decimal they are as much too large."""
    return int(text) if len(text) <= LONGEST_INTEGER else _decimal(text)


def _find_mistakes(value: object, path: str, depth: int, details: list[str]) -> None:
    if depth > MAX_DEPTH:
        details.append(f"{path}: is nested more than {MAX_DEPTH} deep")
        return
    if isinstance(value, dict):
        if isinstance(value, _Repeated):
            details.extend(f"{path}.{key}: is given more than once" for key in value.keys_repeated)
        for key, item in value.items():
            if not _is_text(key):
                details.append(f"{path}: has a key that is not valid text")
            _find_mistakes(item, f"{path}.{key}", depth + 1, details)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _find_mistakes(item, f"{path}[{index}]", depth + 1, details)
    elif isinstance(value, str) and not _is_text(value):
        details.append(f"{path}: is not valid text")


def _is_text(text: str) -> bool:
    """False for half a surrogate pair: JSON can write it, UTF-8 cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
