"""Every command a 2.0.1 station may be given, on a real socket: what it gets, and what its answer becomes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import Token
from billing.models import ChargingSession
from locations.models import ChargePoint, Connector
from ocpp_gateway.domain.v201.schemas import TO_STATION_201
from ocpp_gateway.errors import CommandNotValid
from ocpp_gateway.models import Command, ConfigurationValue
from ocpp_gateway.services.commands import queue_command
from ocpp_gateway.services.remote import remote_start, remote_stop
from tests.ocpp_gateway.v201.conftest import Plug, energy, event, moment
from tests.ocpp_gateway.v201.schemas import schema
from tests.ocpp_gateway.v201.test_station_messages import PROFILE, SCHEDULE

HEARTBEAT = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "1"}
YES = {"status": "Accepted"}
MESSAGE = {"id": 1, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "Closed"}}

# What is asked and what the station answers.
COMMANDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "CancelReservation": ({"reservationId": 1}, YES),
    "CertificateSigned": ({"certificateChain": "PEM"}, YES),
    "ChangeAvailability": ({"operationalStatus": "Inoperative", "evse": {"id": 1}}, {"status": "Scheduled"}),
    "ClearCache": ({}, YES),
    "ClearChargingProfile": ({"chargingProfileId": 1}, YES),
    "ClearDisplayMessage": ({"id": 1}, YES),
    "ClearVariableMonitoring": ({"id": [1]}, {"clearMonitoringResult": [{"status": "Accepted", "id": 1}]}),
    "CostUpdated": ({"totalCost": 1.25, "transactionId": "TX-1"}, {}),
    "CustomerInformation": ({"requestId": 1, "report": True, "clear": False, "customerIdentifier": "Ada"}, YES),
    "DataTransfer": ({"vendorId": "org.example"}, YES),
    "DeleteCertificate": ({"certificateHashData": HASH}, YES),
    "GetBaseReport": ({"requestId": 1, "reportBase": "FullInventory"}, YES),
    "GetChargingProfiles": ({"requestId": 1, "chargingProfile": {"stackLevel": 0}}, YES),
    "GetCompositeSchedule": ({"duration": 600, "evseId": 1}, YES),
    "GetDisplayMessages": ({"requestId": 1}, YES),
    "GetInstalledCertificateIds": ({"certificateType": ["CSMSRootCertificate"]}, YES),
    "GetLocalListVersion": ({}, {"versionNumber": 3}),
    "GetLog": (
        {"requestId": 1, "logType": "SecurityLog", "log": {"remoteLocation": "https://logs.example/up"}},
        {"status": "AcceptedCanceled"},
    ),
    "GetMonitoringReport": ({"requestId": 1}, YES),
    "GetReport": ({"requestId": 1}, YES),
    "GetTransactionStatus": ({"transactionId": "TX-1"}, {"messagesInQueue": False, "ongoingIndicator": True}),
    "GetVariables": (
        {"getVariableData": [HEARTBEAT]},
        {"getVariableResult": [HEARTBEAT | {"attributeStatus": "Accepted", "attributeValue": "60"}]},
    ),
    "InstallCertificate": ({"certificateType": "CSMSRootCertificate", "certificate": "PEM"}, YES),
    "PublishFirmware": ({"location": "https://f.example", "checksum": "a" * 32, "requestId": 1}, YES),
    "RequestStartTransaction": ({"idToken": {"idToken": "X", "type": "Central"}, "remoteStartId": 1}, YES),
    "RequestStopTransaction": ({"transactionId": "TX-1"}, YES),
    "ReserveNow": (
        {"id": 1, "expiryDateTime": moment(90), "idToken": {"idToken": "X", "type": "Central"}, "evseId": 1}, YES,
    ),
    "Reset": ({"type": "OnIdle"}, {"status": "Scheduled"}),
    "SendLocalList": ({"versionNumber": 4, "updateType": "Full"}, YES),
    "SetChargingProfile": ({"evseId": 1, "chargingProfile": PROFILE}, YES),
    "SetDisplayMessage": ({"message": MESSAGE}, YES),
    "SetMonitoringBase": ({"monitoringBase": "All"}, YES),
    "SetMonitoringLevel": ({"severity": 4}, YES),
    "SetNetworkProfile": (
        {
            "configurationSlot": 1,
            "connectionData": {
                "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "wss://x.example",
                "messageTimeout": 30,
                "securityProfile": 2, "ocppInterface": "Wired0",
            },
        },
        YES,
    ),
    "SetVariableMonitoring": (
        {"setMonitoringData": [{"value": 5, "type": "Delta", "severity": 4} | HEARTBEAT]},
        {"setMonitoringResult": [{"status": "Accepted", "type": "Delta", "severity": 4, "id": 1} | HEARTBEAT]},
    ),
    "SetVariables": (
        {"setVariableData": [HEARTBEAT | {"attributeValue": "30"}]},
        {"setVariableResult": [HEARTBEAT | {"attributeStatus": "RebootRequired"}]},
    ),
    "TriggerMessage": ({"requestedMessage": "Heartbeat"}, YES),
    "UnlockConnector": ({"evseId": 1, "connectorId": 1}, {"status": "Unlocked"}),
    "UnpublishFirmware": ({"checksum": "a" * 32}, {"status": "Unpublished"}),
    "UpdateFirmware": (
        {"requestId": 1, "firmware": {"location": "https://f.example", "retrieveDateTime": moment(60)}}, YES,
    ),
}  # fmt: skip


def status_of(command: Command) -> str:
    command.refresh_from_db()
    return command.status


def test_every_command_is_known() -> None:
    assert set(COMMANDS) == TO_STATION_201
    assert SCHEDULE["id"] == 1


def test_every_command_goes_out_as_written_and_its_answer_is_understood(
    plug_in_201: Plug, charge_point: ChargePoint
) -> None:
    with plug_in_201() as station:
        for action, (payload, answer) in COMMANDS.items():
            assert schema(f"{action}Response").is_valid(answer), action
            command = queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
            request = station.request(action)
            assert schema(f"{action}Request").is_valid(request[3]), action
            assert request[3] == payload
            station.reply(request, answer)
            station.call("Heartbeat", {})
            for _ in range(200):
                if status_of(command) != "sent":
                    break
                station.call("Heartbeat", {})
            assert (action, command.status) == (action, "accepted")
    settings = ConfigurationValue.objects.get()
    assert (settings.key, settings.value, settings.needs_reboot) == ("OCPPCommCtrlr.HeartbeatInterval", "30", True)


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("Reset", {"status": "Rejected"}),
        ("UnlockConnector", {"status": "OngoingAuthorizedTransaction"}),
        ("SetVariables", {"setVariableResult": [HEARTBEAT | {"attributeStatus": "Rejected"}]}),
    ],
)
def test_a_no_is_a_no(plug_in_201: Plug, charge_point: ChargePoint, action: str, answer: dict[str, Any]) -> None:
    with plug_in_201() as station:
        command = queue_command(charge_point_id=charge_point.pk, action=action, payload=COMMANDS[action][0])
        station.reply(station.request(action), answer)
        for _ in range(200):
            station.call("Heartbeat", {})
            if status_of(command) != "sent":
                break
    assert command.status == "rejected"
    assert not ConfigurationValue.objects.exists()


def test_what_the_station_would_not_understand_is_refused(plug_in_201: Plug, charge_point: ChargePoint) -> None:
    with plug_in_201():
        for action, payload in [("Reset", {"type": "Hard"}), ("ChangeConfiguration", {"key": "a", "value": "b"})]:
            with pytest.raises(CommandNotValid):
                queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
    assert not Command.objects.exists()


def test_a_password_set_on_a_station_is_kept_nowhere(plug_in_201: Plug, charge_point: ChargePoint) -> None:
    variable = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    payload = {"setVariableData": [variable | {"attributeValue": "a-new-secret-key"}]}
    with plug_in_201() as station:
        command = queue_command(charge_point_id=charge_point.pk, action="SetVariables", payload=payload)
        request = station.request("SetVariables")
        assert request[3] == payload
        station.reply(request, {"setVariableResult": [variable | {"attributeStatus": "Accepted"}]})
        for _ in range(200):
            station.call("Heartbeat", {})
            if status_of(command) == "accepted":
                break
    assert "a-new-secret-key" not in str(command.payload)
    assert ConfigurationValue.objects.get().value == ""
    assert not charge_point.ocpp_messages.filter(frame__contains="a-new-secret-key").exists()


def test_a_driver_starts_and_stops_a_station(plug_in_201: Plug, connector: Connector, ada: Token) -> None:
    """From the site's two services to the station and back: the session that was requested is the one that runs."""
    now = datetime.now(UTC).isoformat()
    with plug_in_201() as station:
        free = {"timestamp": now, "evseId": 1, "connectorId": 1, "connectorStatus": "Available"}
        station.call("StatusNotification", free)
        session = remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
        request = station.request("RequestStartTransaction")
        assert request[3] == {
            "idToken": {"idToken": session.id_tag, "type": "Central"},
            "remoteStartId": session.pk,
            "evseId": 1,
        }
        station.reply(request, {"status": "Accepted", "transactionId": "TX-9"})
        started = event(
            "Started", 0, 0, transaction_id="TX-9", remote=session.pk, evse={"id": 1}, trigger="RemoteStart"
        )
        started |= {"timestamp": now, "meterValue": energy(0, 1000), "idToken": request[3]["idToken"]}
        assert station.call("TransactionEvent", started)["idTokenInfo"]["status"] == "Accepted"
        session.refresh_from_db()
        assert (session.status, session.station_transaction_id, session.channel) == ("active", "TX-9", "app")
        remote_stop(session_id=session.pk, reason="driver")
        request = station.request("RequestStopTransaction")
        assert request[3] == {"transactionId": "TX-9"}
        station.reply(request, YES)
        ended = event("Ended", 1, 0, transaction_id="TX-9", state="Idle", reason="Remote", meterValue=energy(31, 1000))
        assert station.call("TransactionEvent", ended | {"timestamp": datetime.now(UTC).isoformat()})["totalCost"] == 0
    assert ChargingSession.objects.get().status == "ended"


def test_a_refused_start_gives_back_what_was_reserved(plug_in_201: Plug, connector: Connector, ada: Token) -> None:
    with plug_in_201() as station:
        Connector.objects.filter(pk=connector.pk).update(status="Available")
        session = remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
        station.reply(station.request("RequestStartTransaction"), {"status": "Rejected"})
        for _ in range(200):
            station.call("Heartbeat", {})
            session.refresh_from_db()
            if session.status == "cancelled":
                break
    assert session.status == "cancelled"
