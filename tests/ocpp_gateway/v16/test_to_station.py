"""Every command of OCPP 1.6 and its security extension, over a real socket: out as queued, back as answered."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from common import clock
from locations.models import ChargePoint
from ocpp_gateway.domain.command_sets import commands_of
from ocpp_gateway.domain.schemas import TO_STATION_16
from ocpp_gateway.errors import CommandNotValid
from ocpp_gateway.models import Command, ConfigurationValue, OcppMessage
from ocpp_gateway.services.commands import queue_command, record_silence, take_commands
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.test_commands import settled

Plug = Callable[..., ScriptedStation]
Payload = dict[str, Any]

HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a1",
    "issuerKeyHash": "b2",
    "serialNumber": "c3",
}
PROFILE = {
    "chargingProfileId": 7,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]},
}
FIRMWARE = {
    "location": "https://example.org/fw.bin",
    "retrieveDateTime": "2026-11-21T00:00:00Z",
    "signingCertificate": "-----BEGIN CERTIFICATE-----",
    "signature": "c2ln",
}
LOG = {"remoteLocation": "https://example.org/logs"}
SOON = "2026-11-21T03:00:00Z"
YES, NO = {"status": "Accepted"}, {"status": "Rejected"}

# action, what is asked, an answer that means yes, one that means no (None: every answer means yes)
COMMANDS: list[tuple[str, Payload, Payload, Payload | None]] = [
    ("CancelReservation", {"reservationId": 5}, YES, NO),
    ("CertificateSigned", {"certificateChain": "-----BEGIN CERTIFICATE-----"}, YES, NO),
    ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}, {"status": "Scheduled"}, NO),
    ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "30"}, {"status": "RebootRequired"}, NO),
    ("ClearCache", {}, YES, NO),
    ("ClearChargingProfile", {"id": 7}, YES, {"status": "Unknown"}),
    ("DataTransfer", {"vendorId": "org.example", "messageId": "Greet", "data": "hello"}, YES, NO),
    ("DeleteCertificate", {"certificateHashData": HASH}, YES, {"status": "NotFound"}),
    ("ExtendedTriggerMessage", {"requestedMessage": "LogStatusNotification"}, YES, {"status": "NotImplemented"}),
    ("GetCompositeSchedule", {"connectorId": 1, "duration": 600}, {"status": "Accepted", "connectorId": 1}, NO),
    ("GetConfiguration", {"key": ["HeartbeatInterval"]}, {"unknownKey": ["HeartbeatInterval"]}, None),
    ("GetDiagnostics", {"location": "https://example.org/up"}, {"fileName": "diag.zip"}, None),
    (
        "GetInstalledCertificateIds",
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted", "certificateHashData": [HASH]},
        {"status": "NotFound"},
    ),
    ("GetLocalListVersion", {}, {"listVersion": 3}, None),
    (
        "GetLog",
        {"logType": "SecurityLog", "requestId": 9, "log": LOG},
        {"status": "AcceptedCanceled", "filename": "log.zip"},
        NO,
    ),
    (
        "InstallCertificate",
        {"certificateType": "CentralSystemRootCertificate", "certificate": "-----BEGIN CERTIFICATE-----"},
        YES,
        {"status": "Failed"},
    ),
    ("RemoteStartTransaction", {"idTag": "04ADA0001", "connectorId": 1}, YES, NO),
    ("RemoteStopTransaction", {"transactionId": 4711}, YES, NO),
    (
        "ReserveNow",
        {"connectorId": 1, "expiryDate": SOON, "idTag": "04ADA0001", "reservationId": 5},
        YES,
        {"status": "Occupied"},
    ),
    ("Reset", {"type": "Hard"}, YES, NO),
    (
        "SendLocalList",
        {
            "listVersion": 4,
            "updateType": "Full",
            "localAuthorizationList": [{"idTag": "04ADA0001", "idTagInfo": {"status": "Accepted"}}],
        },
        YES,
        {"status": "VersionMismatch"},
    ),
    ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE}, YES, {"status": "NotSupported"}),
    ("SignedUpdateFirmware", {"requestId": 9, "firmware": FIRMWARE}, YES, {"status": "InvalidCertificate"}),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}, YES, NO),
    ("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"}, {"status": "UnlockFailed"}),
    ("UpdateFirmware", {"location": "https://example.org/fw.bin", "retrieveDate": SOON}, {}, None),
]
CASES = pytest.mark.parametrize(
    ("action", "payload", "yes", "no"), COMMANDS, ids=[action for action, _, _, _ in COMMANDS]
)


def test_every_command_of_the_version_is_tried() -> None:
    assert {action for action, _, _, _ in COMMANDS} == TO_STATION_16 == commands_of("1.6").actions


@CASES
def test_a_command_goes_out_as_it_was_queued_and_keeps_its_answer(
    plug_in: Plug, charge_point: ChargePoint, action: str, payload: Payload, yes: Payload, no: Payload | None
) -> None:
    expected = [(yes, "accepted")] + ([(no, "rejected")] if no is not None else [])
    with plug_in() as station:
        for answer, status in expected:
            command = queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
            request = station.request(action)
            assert request[3] == payload
            station.reply(request, answer)
            done = settled(command, station)
            assert (done.status, done.response, done.attempts) == (status, answer, 1)
        refused = queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
        station.reply_error(station.request(action), "NotSupported")
        refused = settled(refused, station)
        assert (refused.status, refused.error_code) == ("rejected", "NotSupported")
    assert not OcppMessage.objects.filter(kind="invalid").exists()


@CASES
def test_a_command_no_station_would_understand_names_the_defect(
    charge_point: ChargePoint, action: str, payload: Payload, yes: Payload, no: Payload | None
) -> None:
    with pytest.raises(CommandNotValid) as refusal:
        queue_command(charge_point_id=charge_point.pk, action=action, payload={**payload, "sugar": 2})
    assert any("sugar" in detail for detail in refusal.value.details)
    required = [name for name in payload if action != "GetConfiguration" and name not in {"messageId", "data", "id"}]
    if required and action not in {"SendLocalList", "RemoteStartTransaction"}:
        with pytest.raises(CommandNotValid) as refusal:
            queue_command(charge_point_id=charge_point.pk, action=action, payload={})
        assert all(any(name in detail for detail in refusal.value.details) for name in required)
    assert not Command.objects.exists()


@CASES
def test_a_command_is_asked_as_often_as_its_rule_says_and_not_after_its_time(
    charge_point: ChargePoint, action: str, payload: Payload, yes: Payload, no: Payload | None
) -> None:
    rule = commands_of("1.6").rule_of(action)
    command = queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
    assert command.expires_at - command.created_at == rule.expires
    now = clock.now()
    for attempt in range(1, rule.attempts + 1):
        assert take_commands(held={charge_point.pk}, now=now) == [command]
        command.refresh_from_db()
        assert (command.attempts, command.answer_due_at) == (attempt, now + rule.waits)
        record_silence(command_id=command.pk, unique_id=command.unique_id, at=now)
    assert take_commands(held={charge_point.pk}, now=now) == []
    command.refresh_from_db()
    assert command.status == "timed_out"

    late = queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
    assert take_commands(held={charge_point.pk}, now=late.expires_at) == []
    late.refresh_from_db()
    assert late.status == "expired"


# What answers become ----------------------------------------------------------------------------------------------


def exchange(
    station: ScriptedStation, charge_point: ChargePoint, action: str, payload: Payload, answer: Payload
) -> None:
    command = queue_command(charge_point_id=charge_point.pk, action=action, payload=payload)
    station.reply(station.request(action), answer)
    settled(command, station)


def settings_of(charge_point: ChargePoint) -> list[tuple[Any, ...]]:
    return list(
        ConfigurationValue.objects.filter(charge_point=charge_point).values_list(
            "key", "value", "is_readonly", "is_supported", "needs_reboot"
        )
    )


def test_settings_that_are_read_and_changed_are_rows(plug_in: Plug, charge_point: ChargePoint) -> None:
    read = {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "60"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
            {"key": "AuthorizationKey", "readonly": False, "value": "00112233445566778899aabbccddeeff"},
        ],
        "unknownKey": ["Espresso"],
    }
    with plug_in() as station:
        exchange(station, charge_point, "GetConfiguration", {}, read)
        assert settings_of(charge_point) == [
            ("AuthorizationKey", "", False, True, False),
            ("Espresso", "", False, False, False),
            ("HeartbeatInterval", "60", False, True, False),
            ("NumberOfConnectors", "2", True, True, False),
        ]
        change = {"key": "heartbeatinterval", "value": "300"}
        exchange(station, charge_point, "ChangeConfiguration", change, {"status": "RebootRequired"})
        refused = {"key": "NumberOfConnectors", "value": "9"}
        exchange(station, charge_point, "ChangeConfiguration", refused, {"status": "Rejected"})
        unknown = {"key": "Foam", "value": "9"}
        exchange(station, charge_point, "ChangeConfiguration", unknown, {"status": "NotSupported"})
    by_key = {row[0]: row[1:] for row in settings_of(charge_point)}
    assert by_key["HeartbeatInterval"] == ("300", False, True, True)
    assert by_key["NumberOfConnectors"] == ("2", True, True, False)
    assert by_key["Foam"] == ("", False, False, False)


def test_an_answer_nobody_expected_costs_its_effect_only(plug_in: Plug, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        exchange(station, charge_point, "GetConfiguration", {}, {"configurationKey": [{"value": "60"}]})
        exchange(station, charge_point, "GetConfiguration", {}, {"configurationKey": 7})
        exchange(station, charge_point, "ClearCache", {}, YES)
    assert not ConfigurationValue.objects.exists()
    assert set(Command.objects.values_list("action", "status")) == {
        ("GetConfiguration", "accepted"),
        ("ClearCache", "accepted"),
    }


def test_a_command_for_another_version_is_not_sent(plug_in: Plug, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        command = queue_command(charge_point_id=charge_point.pk, action="ClearCache", payload={})
        station.reply(station.request("ClearCache"), YES)
        settled(command, station)
        Command.objects.create(
            charge_point=charge_point,
            ocpp_version="2.0.1",
            action="ClearCache",
            expires_at=clock.now() + timedelta(seconds=60),
        )
        done = settled(Command.objects.get(ocpp_version="2.0.1"), station)
        assert station.call("Heartbeat", {})
    assert done.status == "timed_out"
