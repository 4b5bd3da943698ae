"""Tolerance: what an OCPP 2.0.1 request may get wrong without being refused; docs/ocpp-201.md has it as a table.

The same rule as for 1.6: a defect in a field costs the field, a defect in a sample costs the sample; only what cannot
be understood without guessing about a transaction is refused. Pure: the payload that came in is never changed.
"""

import copy
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from jsonschema_rs import ValidationError, ValidationErrorKind

from ocpp_gateway.domain.defects import (
    Checked,
    Refusal,
    is_mended,
    refusal_of,
    remove_all,
    value_at,
)
from ocpp_gateway.domain.frames import ErrorCode
from ocpp_gateway.domain.v201.schemas import validator

Path = tuple[str | int, ...]

# A payload may hide further defects behind the first ones.
_ROUNDS: Final = 4
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
# Moments that are missing or cannot be read are replaced by the moment of arrival.
_MOMENTS: Final = frozenset({"timestamp", "generatedAt"})
# What stands in for a value the specification does not know or that was left out.
_SUBSTITUTES: Final[Mapping[tuple[str, Path], Any]] = {
    ("BootNotification", ("reason",)): "Unknown",
    ("TransactionEvent", ("triggerReason",)): "Trigger",
    ("TransactionEvent", ("seqNo",)): 0,
    ("TransactionEvent", ("idToken", "type")): "Central",
    ("Authorize", ("idToken", "type")): "Central",
}
# Said for information, not needed: dropped when it is not as it should be.
_DISPENSABLE: Final = frozenset(
    {
        ("chargingStation", "modem"),
        ("evse", "connectorId"),
        ("idToken", "additionalInfo"),
        ("transactionInfo", "chargingState"),
        ("transactionInfo", "stoppedReason"),
        ("transactionInfo", "timeSpentCharging"),
        ("transactionInfo", "remoteStartId"),
        ("cableMaxCurrent",),
        ("numberOfPhasesUsed",),
        ("offline",),
        ("reservationId",),
        ("evse",),
        ("meterValue",),
        ("techInfo",),
        ("iso15118CertificateHashData",),
    }
)
# Text that is only kept or shown: cut to the width the schema allows.
_MAY_BE_CUT: Final = frozenset({"BootNotification", "NotifyEvent", "NotifyReport", "SecurityEventNotification"})
# Fields of a sample that say how it was taken, not what it is.
_INCIDENTAL_SAMPLE_FIELDS: Final = frozenset({"context", "signedMeterValue", "customData"})


def check_payload(action: str, payload: dict[str, Any]) -> Checked | Refusal:
    """Check a station's OCPP 2.0.1 request against its schema and repair what may be repaired."""
    compiled = validator(action)
    if compiled.is_valid(payload):
        return Checked(payload)
    repaired = copy.deepcopy(payload)
    repairs: list[str] = []
    for _ in range(_ROUNDS):
        defects = [error for error in compiled.iter_errors(repaired) if not _is_acceptable(error)]
        if not defects:
            return Checked(repaired, tuple(repairs))
        dropped: set[Path] = set()
        for defect in defects:
            if is_mended(repaired, defect):
                continue
            repair = _repair(action, repaired, defect, dropped)
            if not repair:
                return refusal_of(defect)
            repairs.append(repair)
        remove_all(repaired, dropped)
    return Refusal(ErrorCode.FORMATION_VIOLATION, "The payload has too many defects.")


def _is_acceptable(defect: ValidationError) -> bool:
    """Defects the handlers understand as they are."""
    kind = defect.kind
    if isinstance(kind, ValidationErrorKind.Required):
        return kind.property in _MOMENTS
    return isinstance(kind, ValidationErrorKind.MinItems) and defect.instance_path[-1:] in (
        ["meterValue"],
        ["sampledValue"],
    )


def _repair(action: str, payload: dict[str, Any], defect: ValidationError, dropped: set[Path]) -> str:
    """Mend one defect in place, or note what to drop, and name the repair. Empty when there is no safe repair."""
    path, kind, value = tuple(defect.instance_path), defect.kind, value_at(payload, defect)
    if isinstance(kind, ValidationErrorKind.AdditionalProperties):
        for name in kind.unexpected:
            value.pop(name, None)
        return f"{', '.join(sorted(kind.unexpected))[:80]}: dropped"
    if isinstance(kind, ValidationErrorKind.Required):
        missing = (action, (*path, kind.property))
        if missing in _SUBSTITUTES:
            value[kind.property] = _SUBSTITUTES[missing]
            return f"{kind.property}: filled in"
    if path[:1] == ("meterValue",) and len(path) > 1:
        return _repair_sample(payload, path, kind, value, dropped)
    return _repair_field(action, payload, path, kind, value)


def _repair_field(action: str, payload: dict[str, Any], path: Path, kind: Any, value: Any) -> str:
    if not path or not isinstance(path[-1], str):
        return _without(payload, path)
    holder: Any = payload
    for step in path[:-1]:
        holder = holder[step]
    name = path[-1]
    wants_number = isinstance(kind, ValidationErrorKind.Type) and "integer" in kind.types
    if wants_number and isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        holder[name] = int(value)
        return f"{name}: read as a number"
    if isinstance(kind, ValidationErrorKind.MaxLength) and action in _MAY_BE_CUT:
        holder[name] = str(value)[: kind.limit]
        return f"{name}: cut"
    if name in _MOMENTS or (value is None and (action, path) not in _SUBSTITUTES):
        del holder[name]
        return f"{name}: dropped"
    if (action, path) in _SUBSTITUTES:
        holder[name] = _SUBSTITUTES[action, path]
        return f"{name}: replaced"
    return _without(payload, path)


def _without(payload: dict[str, Any], path: Path) -> str:
    """Drop the innermost dispensable part the defect lies in."""
    for length in (2, 1):
        part = path[:length]
        if part in _DISPENSABLE:
            holder = payload if length == 1 else payload[str(part[0])]
            holder.pop(str(part[-1]), None)
            return f"{part[-1]}: dropped"
    return ""


def _repair_sample(payload: dict[str, Any], path: Path, kind: Any, value: Any, dropped: set[Path]) -> str:
    """Within meterValue: mend the field, else drop the sample, else drop the entry."""
    if path[2:] == ("timestamp",):
        del payload["meterValue"][path[1]]["timestamp"]
        return "timestamp: dropped"
    if len(path) >= 5 and path[2] == "sampledValue":
        sample, name = payload["meterValue"][path[1]]["sampledValue"][path[3]], str(path[4])
        if path[4:] == ("value",) and isinstance(value, str) and (number := _decimal(value)) is not None:
            sample["value"] = number
            return "value: read as a number"
        if name in _INCIDENTAL_SAMPLE_FIELDS or (value is None and len(path) == 5 and name != "value"):
            sample.pop(name, None)
            return f"{name}: dropped"
    is_in_sample = len(path) >= 4 and path[2] == "sampledValue"
    dropped.add(path[:4] if is_in_sample else path[:2])
    return "sample: dropped" if is_in_sample else "entry: dropped"


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
