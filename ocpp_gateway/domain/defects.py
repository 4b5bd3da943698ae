"""Where a payload does not fit its schema: finding, mending and refusing, for every version of OCPP. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeGuard

from jsonschema_rs import ValidationError, ValidationErrorKind

from ocpp_gateway.domain.frames import MAX_ERROR_DESCRIPTION, ErrorCode


@dataclass(frozen=True, slots=True)
class Checked:
    """A payload fit to be handled, and what was repaired to make it so."""

    payload: dict[str, Any]
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A payload that cannot be handled: the CALLERROR code and a sentence for the station's log."""

    code: str
    description: str


def remove_all(payload: dict[str, Any], dropped: set[tuple[str | int, ...]]) -> None:
    """Take out samples and entries, last first, so that the positions of the others stay right."""
    for path in sorted(dropped, key=lambda steps: (len(steps), steps), reverse=True):
        items: Any = payload
        for step in path[:-1]:
            items = items[step]
        del items[path[-1]]


def value_at(payload: dict[str, Any], defect: ValidationError) -> Any:
    """What stands where the defect is. (`defect.instance` is a copy in which a Decimal has become a float.)"""
    value: Any = payload
    for step in defect.instance_path:
        value = value[step]
    return value


def is_mended(payload: dict[str, Any], defect: ValidationError) -> bool:
    """True when another defect of the same field has taken the field away already."""
    try:
        value_at(payload, defect)
    except (KeyError, IndexError, TypeError):
        return True
    return False


def is_number(value: Any) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def plain(value: int | Decimal) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def refusal_of(defect: ValidationError) -> Refusal:
    code = ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
    if isinstance(defect.kind, ValidationErrorKind.Required):
        code = ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION
    elif isinstance(defect.kind, ValidationErrorKind.Type):
        code = ErrorCode.TYPE_CONSTRAINT_VIOLATION
    where = ".".join(str(step) for step in defect.instance_path) or "payload"
    return Refusal(code, f"{where}: {defect.message}"[:MAX_ERROR_DESCRIPTION])
