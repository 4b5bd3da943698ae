"""The commands of OCPP 2.0.1: deadlines, repetitions, what their answers mean. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from ocpp_gateway.domain.command_rules import CommandRule, CommandSet, Request, StartOrder, StopOrder
from ocpp_gateway.domain.v201.schemas import TO_STATION_201, validator

_MINUTE: Final = timedelta(seconds=60)
_TEN_MINUTES: Final = timedelta(minutes=10)
_HOUR: Final = timedelta(hours=1)
_REMOTE_START: Final = "RequestStartTransaction"
_SCHEDULED: Final = frozenset({"Accepted", "Scheduled"})
_CANCELED: Final = frozenset({"Accepted", "AcceptedCanceled"})

_TAKEN: Final = frozenset({"Accepted", "RebootRequired"})
_IN_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "SetVariables": ("setVariableResult", "attributeStatus"),
    "SetVariableMonitoring": ("setMonitoringResult", "status"),
    "ClearVariableMonitoring": ("clearMonitoringResult", "status"),
}

_RULES: Final[Mapping[str, CommandRule]] = {
    # Asking a station to stop twice does no harm; not stopping it costs money.
    "RequestStopTransaction": CommandRule(expires=_TEN_MINUTES, attempts=3),
    "UnlockConnector": CommandRule(waits=_MINUTE, accepted=frozenset({"Unlocked"})),
    "Reset": CommandRule(expires=_TEN_MINUTES, accepted=_SCHEDULED),
    "ChangeAvailability": CommandRule(expires=_HOUR, attempts=3, accepted=_SCHEDULED),
    "GetVariables": CommandRule(waits=_MINUTE, expires=_TEN_MINUTES, attempts=2),
    "SetVariables": CommandRule(waits=_MINUTE, expires=_TEN_MINUTES, attempts=2),
    "GetBaseReport": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "GetReport": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "GetMonitoringReport": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "ClearCache": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "GetLocalListVersion": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "SendLocalList": CommandRule(waits=_MINUTE, expires=_HOUR),
    "CancelReservation": CommandRule(expires=_TEN_MINUTES, attempts=3),
    "SetChargingProfile": CommandRule(expires=_TEN_MINUTES, attempts=3),
    "ClearChargingProfile": CommandRule(expires=_TEN_MINUTES, attempts=3),
    "GetChargingProfiles": CommandRule(attempts=2),
    "GetCompositeSchedule": CommandRule(attempts=2),
    "GetTransactionStatus": CommandRule(attempts=2),
    # A price that came too late is replaced by the next one.
    "CostUpdated": CommandRule(expires=timedelta(seconds=30)),
    "UpdateFirmware": CommandRule(expires=_HOUR, accepted=_CANCELED),
    "PublishFirmware": CommandRule(expires=_HOUR),
    "GetLog": CommandRule(waits=_MINUTE, expires=_HOUR, accepted=_CANCELED),
    "SetDisplayMessage": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "GetDisplayMessages": CommandRule(attempts=2),
    "ClearDisplayMessage": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "InstallCertificate": CommandRule(waits=_MINUTE, expires=_HOUR, attempts=2),
    "CertificateSigned": CommandRule(waits=_MINUTE, expires=_HOUR, attempts=2),
    "DeleteCertificate": CommandRule(expires=_HOUR),
    "GetInstalledCertificateIds": CommandRule(expires=_TEN_MINUTES, attempts=2),
    "UnpublishFirmware": CommandRule(accepted=frozenset({"Unpublished"})),
}


class _Commands(CommandSet):
    """Where an answer has one status per part, all parts must be accepted."""

    __slots__ = ()

    def is_accepted(self, action: str, response: Mapping[str, Any]) -> bool:
        parts, status = _IN_PARTS.get(action, ("", ""))
        if parts:
            return all(part.get(status) in _TAKEN for part in response.get(parts) or ())
        return CommandSet.is_accepted(self, action, response)


def _start(order: StartOrder) -> Request:
    """`remoteStartId` is the session's number: the transaction's events repeat it."""
    return _REMOTE_START, {
        "idToken": {"idToken": order.id_tag, "type": "Central"},
        "remoteStartId": order.session_id,
        "evseId": order.evse_number,
    }


def _stop(order: StopOrder) -> Request:
    return "RequestStopTransaction", {"transactionId": order.station_transaction_id}


COMMANDS_201: Final = _Commands(
    version="2.0.1",
    start_action=_REMOTE_START,
    actions=TO_STATION_201,
    validator=validator,
    start=_start,
    stop=_stop,
    rules=_RULES,
)
