"""The commands of OCPP 1.6 and its security extension: deadlines, repetitions, what their answers mean. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from ocpp_gateway.domain.command_rules import CommandRule, CommandSet, Request, StartOrder, StopOrder
from ocpp_gateway.domain.schemas import TO_STATION_16, validator

# Worth sending to a station that comes back within the hour: nothing about it ages.
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(seconds=60)
_REMOTE_START: Final = "RemoteStartTransaction"

_RULES: Final[Mapping[str, CommandRule]] = {
    # Asking a station to stop twice does no harm; not stopping it costs money.
    "RemoteStopTransaction": CommandRule(expires=timedelta(minutes=10), attempts=3),
    "UnlockConnector": CommandRule(waits=_MINUTE, accepted=frozenset({"Unlocked"})),
    "Reset": CommandRule(expires=timedelta(minutes=10)),
    "ChangeAvailability": CommandRule(expires=_HOUR, attempts=3, accepted=frozenset({"Accepted", "Scheduled"})),
    "GetConfiguration": CommandRule(waits=_MINUTE, expires=timedelta(minutes=10), attempts=2),
    "ChangeConfiguration": CommandRule(
        expires=timedelta(minutes=10), attempts=2, accepted=frozenset({"Accepted", "RebootRequired"})
    ),
    "ClearCache": CommandRule(expires=timedelta(minutes=10), attempts=2),
    "GetLocalListVersion": CommandRule(expires=timedelta(minutes=10), attempts=2),
    "SendLocalList": CommandRule(waits=_MINUTE, expires=_HOUR),
    "CancelReservation": CommandRule(expires=timedelta(minutes=10), attempts=3),
    "SetChargingProfile": CommandRule(expires=timedelta(minutes=10), attempts=3),
    "ClearChargingProfile": CommandRule(expires=timedelta(minutes=10), attempts=3),
    "GetCompositeSchedule": CommandRule(attempts=2),
    "UpdateFirmware": CommandRule(expires=_HOUR),
    "SignedUpdateFirmware": CommandRule(expires=_HOUR, accepted=frozenset({"Accepted", "AcceptedCanceled"})),
    "GetDiagnostics": CommandRule(waits=_MINUTE, expires=_HOUR),
    "GetLog": CommandRule(waits=_MINUTE, expires=_HOUR, accepted=frozenset({"Accepted", "AcceptedCanceled"})),
    "InstallCertificate": CommandRule(waits=_MINUTE, expires=_HOUR, attempts=2),
    "CertificateSigned": CommandRule(waits=_MINUTE, expires=_HOUR, attempts=2),
    "DeleteCertificate": CommandRule(expires=_HOUR),
    "GetInstalledCertificateIds": CommandRule(expires=timedelta(minutes=10), attempts=2),
}


def _start(order: StartOrder) -> Request:
    return _REMOTE_START, {"connectorId": order.connector_number, "idTag": order.id_tag}


def _stop(order: StopOrder) -> Request:
    return "RemoteStopTransaction", {"transactionId": order.session_id}


COMMANDS_16: Final = CommandSet(
    version="1.6",
    start_action=_REMOTE_START,
    actions=TO_STATION_16,
    validator=validator,
    start=_start,
    stop=_stop,
    rules=_RULES,
)
