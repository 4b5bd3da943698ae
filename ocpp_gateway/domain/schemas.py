"""The published JSON schemas of OCPP, each read and compiled once, when its action is first seen."""

import importlib.resources
from functools import cache
from typing import Any, Final

import jsonschema_rs
import orjson

# What a central system may be asked and may ask, per version (OCPP 1.6 and its security whitepaper).
FROM_STATION_16: Final = frozenset(
    {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    }
)
TO_STATION_16: Final = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "SignedUpdateFirmware",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
    }
)


@cache
def validator(action: str) -> jsonschema_rs.Validator:
    """The compiled schema of an OCPP 1.6 request. `action` must be one of the names above.

    Formats are not checked: timestamps are read by `values.read_timestamp`, which knows what stations really send.
    """
    if action not in FROM_STATION_16 | TO_STATION_16:
        raise KeyError(action)
    source = importlib.resources.files("ocpp.v16") / "schemas" / f"{action}.json"
    schema: dict[str, Any] = orjson.loads(source.read_bytes())
    return jsonschema_rs.validator_for(schema, validate_formats=False)
