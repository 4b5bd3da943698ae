"""What OCPP 2.0.1 stations report of themselves: variables, and one line of anything else for an operator. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_LONGEST: Final = 200
_SECRETS: Final = frozenset({"basicauthpassword"})
_ACTUAL: Final = "Actual"


@dataclass(frozen=True, slots=True)
class VariableValue:
    """One attribute of one variable. `key` is Component.Variable, with instances, EVSE and attribute where there are
    any; a secret has no value."""

    key: str
    value: str = ""
    is_readonly: bool = False
    is_supported: bool = True
    needs_reboot: bool = False


def key_of(component: Mapping[str, Any], variable: Mapping[str, Any], attribute: str = _ACTUAL) -> str:
    """SampledDataCtrlr.TxUpdatedInterval, Connector@1.2.AvailabilityState, TariffCostCtrlr.Enabled[Cost]/Target."""
    evse = component.get("evse") or {}
    place = ".".join(str(evse[name]) for name in ("id", "connectorId") if name in evse)
    key = f"{_named(component)}{f'@{place}' if place else ''}.{_named(variable)}"
    return key if attribute == _ACTUAL else f"{key}/{attribute}"


def values_of_report(report_data: list[dict[str, Any]]) -> Iterator[VariableValue]:
    """NotifyReport: every attribute of every variable."""
    for entry in report_data:
        for attribute in entry["variableAttribute"]:
            yield VariableValue(
                key_of(entry["component"], entry["variable"], attribute.get("type", _ACTUAL)),
                "" if _is_secret(entry["variable"]) else attribute.get("value", ""),
                is_readonly=attribute.get("mutability") == "ReadOnly" or bool(attribute.get("constant")),
            )


def values_read(response: Mapping[str, Any]) -> Iterator[VariableValue]:
    """The answer to GetVariables: values, and variables the station does not know."""
    for result in response.get("getVariableResult") or ():
        status = result["attributeStatus"]
        if status not in {"Accepted", "UnknownComponent", "UnknownVariable"}:
            continue
        yield VariableValue(
            key_of(result["component"], result["variable"], result.get("attributeType", _ACTUAL)),
            "" if _is_secret(result["variable"]) else result.get("attributeValue", ""),
            is_supported=status == "Accepted",
        )


def values_set(asked: Mapping[str, Any], response: Mapping[str, Any]) -> Iterator[VariableValue]:
    """The answer to SetVariables: the values it took, as they were asked for."""
    wanted = {
        key_of(entry["component"], entry["variable"], entry.get("attributeType", _ACTUAL)): entry
        for entry in asked["setVariableData"]
    }
    for result in response.get("setVariableResult") or ():
        key = key_of(result["component"], result["variable"], result.get("attributeType", _ACTUAL))
        entry, status = wanted.get(key), result["attributeStatus"]
        if entry is not None and status in {"Accepted", "RebootRequired"}:
            value = "" if _is_secret(entry["variable"]) else entry["attributeValue"]
            yield VariableValue(key, value, needs_reboot=status == "RebootRequired")


def summary(action: str, payload: Mapping[str, Any]) -> str:
    """One line for an operator of what a report says."""
    lines: list[str] = []
    for event in payload.get("eventData") or ():
        name = key_of(event["component"], event["variable"])
        cleared = " (cleared)" if event.get("cleared") else ""
        lines.append(f"{name}: {event['actualValue']}{cleared} {event.get('techCode', '')}".strip())
    for entry in payload.get("monitor") or ():
        lines.append(key_of(entry["component"], entry["variable"]))
    for message in payload.get("messageInfo") or ():
        lines.append(str(message["message"]["content"]))
    if not lines:
        words = ("status", "reservationUpdateStatus", "chargingLimitSource", "data", "evseId")
        lines = [str(payload[word]) for word in words if word in payload]
    return ("; ".join(lines) or action)[:_LONGEST]


def _named(thing: Mapping[str, Any]) -> str:
    instance = thing.get("instance")
    return f"{thing['name']}[{instance}]" if instance else str(thing["name"])


def _is_secret(variable: Mapping[str, Any]) -> bool:
    return str(variable["name"]).casefold() in _SECRETS
