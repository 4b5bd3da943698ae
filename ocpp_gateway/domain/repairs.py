"""Tolerance: what a request may get wrong without being refused. The table in docs/ocpp.md is this module in words.

A defect in a field costs the field, a defect in a sample costs the sample; only what cannot be understood without
guessing about a transaction is refused. Pure: the payload that came in is never changed.
"""

import copy
import re
from decimal import Decimal
from typing import Any, Final

from jsonschema_rs import ValidationError, ValidationErrorKind

from ocpp_gateway.domain.defects import (
    Checked,
    Refusal,
    is_mended,
    is_number,
    plain,
    refusal_of,
    remove_all,
    value_at,
)
from ocpp_gateway.domain.frames import ErrorCode
from ocpp_gateway.domain.schemas import validator

# A payload may hide further defects behind the first ones; three looks find those stations have.
_ROUNDS: Final = 3
# OCPP 1.6 says 20; contract ids and serial suffixes make it longer on real stations, and tokens hold 36.
_LONGEST_ID_TAG: Final = 36
_SAMPLE_LISTS: Final = ("meterValue", "transactionData")
_UNITS: Final = {
    unit.casefold(): unit
    for unit in ("Wh", "kWh", "varh", "kvarh", "W", "kW", "VA", "kVA", "var", "kvar", "A", "V", "K", "Percent")
} | {"%": "Percent", "celsius": "Celsius", "celcius": "Celsius", "fahrenheit": "Fahrenheit"}
# Fields of a sample that say how it was taken, not what it is.
_INCIDENTAL_SAMPLE_FIELDS: Final = {"context", "format"}
# What stands in for a value the specification does not know or that was left out.
_SUBSTITUTES: Final = {
    ("StatusNotification", "errorCode"): "OtherError",
    ("StopTransaction", "reason"): "Other",
}
# A stop without a transactionId is matched by its circumstances, like one with a placeholder.
_ABSENT: Final[dict[tuple[str, str], Any]] = {
    ("StatusNotification", "errorCode"): "NoError",
    ("StopTransaction", "transactionId"): 0,
}
# Text that is only kept or shown: cut to the width the schema allows.
_MAY_BE_CUT: Final = frozenset({"BootNotification", "StatusNotification", "SecurityEventNotification", "DataTransfer"})
# A moment that cannot be read is replaced by the moment of arrival.
_MOMENT: Final = "timestamp"
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")


def check_payload(action: str, payload: dict[str, Any]) -> Checked | Refusal:
    """Check a station's OCPP 1.6 request against its schema and repair what may be repaired."""
    compiled = validator(action)
    if compiled.is_valid(payload):
        return Checked(payload)
    repaired = copy.deepcopy(payload)
    repairs: list[str] = []
    for _ in range(_ROUNDS):
        defects = [error for error in compiled.iter_errors(repaired) if not _is_acceptable(repaired, error)]
        if not defects:
            return Checked(repaired, tuple(repairs))
        dropped: set[tuple[str | int, ...]] = set()
        for defect in defects:
            if is_mended(repaired, defect):
                continue
            repair = _repair(action, repaired, defect, dropped)
            if not repair:
                return refusal_of(defect)
            repairs.append(repair)
        remove_all(repaired, dropped)
    return Refusal(ErrorCode.FORMATION_VIOLATION, "The payload has too many defects.")


def _is_acceptable(payload: dict[str, Any], defect: ValidationError) -> bool:
    """Defects the handlers understand as they are."""
    path, kind = defect.instance_path, defect.kind
    if isinstance(kind, ValidationErrorKind.MaxLength):
        return path[-1:] == ["idTag"] and len(str(defect.instance)) <= _LONGEST_ID_TAG
    if isinstance(kind, ValidationErrorKind.Required):
        return kind.property in {_MOMENT, "meterStop"}
    if isinstance(kind, ValidationErrorKind.Type):
        # A register with a fraction of a watt-hour.
        return path in (["meterStart"], ["meterStop"]) and isinstance(value_at(payload, defect), Decimal)
    return isinstance(kind, ValidationErrorKind.MinItems)


def _repair(action: str, payload: dict[str, Any], defect: ValidationError, dropped: set[tuple[str | int, ...]]) -> str:
    """Mend one defect in place, or note what to drop, and name the repair. Empty when there is no safe repair."""
    path, kind = defect.instance_path, defect.kind
    if isinstance(kind, ValidationErrorKind.AdditionalProperties):
        target = value_at(payload, defect)
        for name in kind.unexpected:
            target.pop(name, None)
        return f"{', '.join(sorted(kind.unexpected))[:80]}: dropped"
    if path and path[0] in _SAMPLE_LISTS and len(path) > 1:
        return _repair_sample(payload, defect, dropped)
    if isinstance(kind, ValidationErrorKind.Required) and (action, kind.property) in _ABSENT:
        payload[kind.property] = _ABSENT[action, kind.property]
        return f"{kind.property}: filled in"
    return _repair_field(action, payload, defect) if len(path) == 1 else ""


def _repair_field(action: str, payload: dict[str, Any], defect: ValidationError) -> str:
    name, kind, value = str(defect.instance_path[0]), defect.kind, value_at(payload, defect)
    if value is None or name == _MOMENT or name == "transactionData":
        payload.pop(name, None)
        return f"{name}: dropped"
    if isinstance(kind, ValidationErrorKind.Enum) and (action, name) in _SUBSTITUTES:
        payload[name] = _SUBSTITUTES[action, name]
        return f"{name}: replaced"
    if isinstance(kind, ValidationErrorKind.MaxLength) and action in _MAY_BE_CUT:
        payload[name] = str(value)[: kind.limit]
        return f"{name}: cut"
    if isinstance(kind, ValidationErrorKind.Type):
        if "integer" in kind.types and isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            payload[name] = int(value)
            return f"{name}: read as a number"
        if "string" in kind.types and is_number(value):
            payload[name] = plain(value)
            return f"{name}: read as text"
    return ""


def _repair_sample(payload: dict[str, Any], defect: ValidationError, dropped: set[tuple[str | int, ...]]) -> str:
    """Within meterValue or transactionData: mend the field, else drop the sample, else drop the entry."""
    path = defect.instance_path
    if len(path) == 3 and path[2] == _MOMENT:
        payload[str(path[0])][path[1]].pop(_MOMENT, None)
        return "timestamp: dropped"
    if len(path) == 5 and path[2] == "sampledValue":
        sample = payload[str(path[0])][path[1]]["sampledValue"][path[3]]
        name, value = str(path[4]), value_at(payload, defect)
        if name == "value" and is_number(value):
            sample[name] = plain(value)
            return "value: read as text"
        if name == "unit" and isinstance(value, str) and value.casefold() in _UNITS:
            sample[name] = _UNITS[value.casefold()]
            return "unit: respelled"
        if name in _INCIDENTAL_SAMPLE_FIELDS or (value is None and name != "value"):
            sample.pop(name, None)
            return f"{name}: dropped"
    is_in_sample = len(path) >= 4 and path[2] == "sampledValue"
    dropped.add(tuple(path[:4] if is_in_sample else path[:2]))
    return "sample: dropped" if is_in_sample else "entry: dropped"
