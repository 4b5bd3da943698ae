"""The published JSON schemas of OCPP 2.0.1, each read and compiled once, when its action is first seen."""

import importlib.resources
from functools import cache
from typing import Any, Final

import jsonschema_rs
import orjson

# What a central system may be asked and may ask (OCPP 2.0.1 edition 2, part 2).
FROM_STATION_201: Final = frozenset(
    {
        "Authorize",
        "BootNotification",
        "ClearedChargingLimit",
        "DataTransfer",
        "FirmwareStatusNotification",
        "Get15118EVCertificate",
        "GetCertificateStatus",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEVChargingNeeds",
        "NotifyEVChargingSchedule",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "SignCertificate",
        "StatusNotification",
        "TransactionEvent",
    }
)
TO_STATION_201: Final = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        "ChangeAvailability",
        "ClearCache",
        "ClearChargingProfile",
        "ClearDisplayMessage",
        "ClearVariableMonitoring",
        "CostUpdated",
        "CustomerInformation",
        "DataTransfer",
        "DeleteCertificate",
        "GetBaseReport",
        "GetChargingProfiles",
        "GetCompositeSchedule",
        "GetDisplayMessages",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "GetMonitoringReport",
        "GetReport",
        "GetTransactionStatus",
        "GetVariables",
        "InstallCertificate",
        "PublishFirmware",
        "RequestStartTransaction",
        "RequestStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "SetDisplayMessage",
        "SetMonitoringBase",
        "SetMonitoringLevel",
        "SetNetworkProfile",
        "SetVariableMonitoring",
        "SetVariables",
        "TriggerMessage",
        "UnlockConnector",
        "UnpublishFirmware",
        "UpdateFirmware",
    }
)


@cache
def validator(action: str) -> jsonschema_rs.Validator:
    """The compiled schema of an OCPP 2.0.1 request. `action` must be one of the names above.

    Formats are not checked: timestamps are read by `values.read_moment`, which knows what stations really send.
    """
    if action not in FROM_STATION_201 | TO_STATION_201:
        raise KeyError(action)
    source = importlib.resources.files("ocpp.v201") / "schemas" / f"{action}Request.json"
    schema: dict[str, Any] = orjson.loads(source.read_bytes())
    return jsonschema_rs.validator_for(schema, validate_formats=False)
