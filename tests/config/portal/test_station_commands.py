"""Commands from the portal: every form, its confirmation, selections, and the station's answer in words."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent
from common import clock
from locations.models import ChargePoint
from ocpp_gateway.forms.registry import bulk_forms, form_of, grouped_forms
from ocpp_gateway.models import Command
from ocpp_gateway.services.commands import queue_command, record_answer, record_error, take_commands
from tests.config.portal.conftest import LogIn
from tests.config.portal.staff import member
from tests.factories import ConnectorFactory

pytestmark = pytest.mark.django_db

KEY = "8f14e45f-ceea-467f-a8f1-000000000002"
NUMBER = int(KEY.replace("-", ""), 16) % 2_147_483_647 + 1
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
HASH = {"hashAlgorithm": "SHA256", "issuerKeyHash": "b2", "issuerNameHash": "a1", "serialNumber": "c3"}

# What is filled in, and what the station is asked.
FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Reset": ({"type": "Hard"}, {"type": "Hard"}),
    "ChangeAvailability": ({"connector": "1", "type": "Inoperative"}, {"connectorId": 1, "type": "Inoperative"}),
    "UnlockConnector": ({"connector": "1"}, {"connectorId": 1}),
    "TriggerMessage": ({"message": "MeterValues", "connector": "0"}, {"requestedMessage": "MeterValues"}),
    "ExtendedTriggerMessage": (
        {"message": "SignChargePointCertificate", "connector": "1"},
        {"requestedMessage": "SignChargePointCertificate", "connectorId": 1},
    ),
    "GetConfiguration": ({"keys": "HeartbeatInterval\n\nFoo "}, {"key": ["HeartbeatInterval", "Foo"]}),
    "ChangeConfiguration": (
        {"setting": "HeartbeatInterval", "value": "300"},
        {"key": "HeartbeatInterval", "value": "300"},
    ),
    "DataTransfer": (
        {"vendor": "org.example", "message": "Greet", "content": "hello"},
        {"vendorId": "org.example", "messageId": "Greet", "data": "hello"},
    ),
    "ReserveNow": (
        {"connector": "1", "id_tag": "04ADA0001", "until": "2099-01-02T03:04"},
        {
            "connectorId": 1,
            "idTag": "04ADA0001",
            "expiryDate": "2099-01-02T03:04:00.000Z",
            "reservationId": NUMBER,
        },
    ),
    "CancelReservation": ({"reservation": "77"}, {"reservationId": 77}),
    "ClearCache": ({}, {}),
    "GetLocalListVersion": ({}, {}),
    "SetChargingProfile": (
        {"purpose": "TxDefaultProfile", "connector": "1", "limit": "16", "unit": "A", "level": "2", "minutes": "10"},
        {
            "connectorId": 1,
            "csChargingProfiles": {
                "chargingProfileId": 1_001_002,
                "stackLevel": 2,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": {
                    "duration": 600,
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
                },
            },
        },
    ),
    "ClearChargingProfile": (
        {"purpose": "TxProfile", "connector": "1"},
        {"chargingProfilePurpose": "TxProfile", "connectorId": 1},
    ),
    "GetCompositeSchedule": (
        {"connector": "0", "minutes": "60", "unit": "W"},
        {"connectorId": 0, "duration": 3_600, "chargingRateUnit": "W"},
    ),
    "UpdateFirmware": (
        {"location": "https://example.org/fw", "retrieve_at": "2099-01-02T03:04", "retries": "3"},
        {"location": "https://example.org/fw", "retrieveDate": "2099-01-02T03:04:00.000Z", "retries": 3},
    ),
    "SignedUpdateFirmware": (
        {
            "location": "https://example.org/fw",
            "retrieve_at": "2099-01-02T03:04",
            "certificate": PEM,
            "signature": "c2ln",
        },
        {
            "requestId": NUMBER,
            "firmware": {
                "location": "https://example.org/fw",
                "retrieveDateTime": "2099-01-02T03:04:00.000Z",
                "signingCertificate": PEM,
                "signature": "c2ln",
            },
        },
    ),
    "GetDiagnostics": (
        {"location": "ftp://user:pass@example.org/up", "start": "2026-01-02T03:04"},
        {"location": "ftp://user:pass@example.org/up", "startTime": "2026-01-02T03:04:00.000Z"},
    ),
    "GetLog": (
        {"kind": "SecurityLog", "location": "https://example.org/up"},
        {"logType": "SecurityLog", "requestId": NUMBER, "log": {"remoteLocation": "https://example.org/up"}},
    ),
    "GetInstalledCertificateIds": (
        {"kind": "CentralSystemRootCertificate"},
        {"certificateType": "CentralSystemRootCertificate"},
    ),
    "InstallCertificate": (
        {"kind": "ManufacturerRootCertificate", "certificate": PEM},
        {"certificateType": "ManufacturerRootCertificate", "certificate": PEM},
    ),
    "DeleteCertificate": (
        {
            "certificate": '{"hashAlgorithm": "SHA256", "issuerKeyHash": "b2", "issuerNameHash": "a1", "serialNumber": '
            '"c3"}'
        },
        {"certificateHashData": HASH},
    ),
    "CertificateSigned": ({"chain": PEM}, {"certificateChain": PEM}),
}


@pytest.fixture(autouse=True)
def in_utc(settings: Any) -> None:
    settings.TIME_ZONE = "UTC"


@pytest.fixture
def point() -> ChargePoint:
    charge_point: ChargePoint = ConnectorFactory(evse__charge_point__identity="BERLIN-01").charge_point
    return charge_point


def answered(point: ChargePoint, action: str, payload: dict[str, Any], response: dict[str, Any]) -> Command:
    command = queue_command(charge_point_id=point.pk, action=action, payload=payload)
    take_commands(held={point.pk}, now=clock.now())
    command.refresh_from_db()
    return record_answer(command_id=command.pk, unique_id=command.unique_id, response=response, at=clock.now())


def page(point: ChargePoint, action: str) -> str:
    return reverse("admin:locations_chargepoint_command", args=[point.pk, action])


def test_every_command_has_a_form_but_those_with_a_page_of_their_own() -> None:
    shown = {form.action for _, forms in grouped_forms("1.6") for form in forms}
    assert shown == set(FORMS)


@pytest.mark.parametrize("action", FORMS)
def test_a_form_becomes_a_command_and_a_dangerous_one_asks_and_leaves_a_trace(
    action: str, otto: Client, point: ChargePoint
) -> None:
    answered(
        point,
        "ReserveNow",
        {"connectorId": 1, "idTag": "04ADA0001", "expiryDate": "2099-01-01T00:00:00Z", "reservationId": 77},
        {"status": "Accepted"},
    )
    answered(
        point,
        "GetInstalledCertificateIds",
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted", "certificateHashData": [HASH]},
    )
    before = set(Command.objects.values_list("pk", flat=True))
    form = form_of("1.6", action)
    assert form is not None
    filled_in, expected = FORMS[action]
    assert otto.get(page(point, action)).status_code == 200
    if form.is_dangerous:
        otto.post(page(point, action), {"key": KEY, "confirmed": "1", **filled_in})
        preview = otto.post(page(point, action), {"key": KEY, "reason": "works", **filled_in})
        assert "This is what will happen" in preview.content.decode()
        assert set(Command.objects.values_list("pk", flat=True)) == before
        filled_in = {**filled_in, "reason": "works", "confirmed": "1"}
    for _ in range(2):
        response = otto.post(page(point, action), {"key": KEY, **filled_in})
        assert response.status_code == 302, response.context["form"].errors
    command = Command.objects.exclude(pk__in=before).get()
    assert (command.action, command.payload, command.actor) == (action, expected, member(otto))
    events = AuditEvent.objects.filter(action="station_command").values_list("reason", "subject_id", "data")
    trace = [("works", str(point.pk), {"command": action, "content": expected})]
    assert list(events) == (trace if form.is_dangerous else [])


@pytest.mark.parametrize(
    ("action", "filled_in", "defect"),
    [
        ("ChangeConfiguration", {"setting": "authorizationKEY", "value": "x" * 40}, "New key"),
        ("ReserveNow", {"connector": "1", "id_tag": "04", "until": "2020-01-01T00:00"}, "has passed"),
        ("ReserveNow", {"connector": "9", "id_tag": "04", "until": "2099-01-01T00:00"}, "valid choice"),
        ("CancelReservation", {"reservation": "5"}, "valid choice"),
        ("CertificateSigned", {"chain": "no certificate"}, "no PEM certificate"),
        ("UpdateFirmware", {"location": "https://" + "x" * 600, "retrieve_at": "2099-01-01T00:00"}, "512"),
        (
            "SetChargingProfile",
            {"purpose": "ChargePointMaxProfile", "connector": "1", "limit": "1", "unit": "A", "level": "0"},
            "set for all connectors",
        ),
    ],
)
def test_a_mistake_is_named_and_nothing_is_sent(
    action: str, filled_in: dict[str, str], defect: str, otto: Client, point: ChargePoint
) -> None:
    sent = {"key": KEY, "reason": "works", "confirmed": "1", **filled_in}
    assert defect in otto.post(page(point, action), sent).content.decode()
    assert not Command.objects.exists()
    assert not AuditEvent.objects.filter(action="station_command").exists()


def test_who_may_not_command_sees_the_history_only(log_in: LogIn, point: ChargePoint) -> None:
    reader = log_in("Read-only")
    history = reverse("admin:locations_chargepoint_commands", args=[point.pk])
    assert reader.get(page(point, "Reset")).status_code == 403
    assert reader.post(page(point, "ClearCache"), {"key": KEY}).status_code == 403
    many = reverse("admin:locations_chargepoint_command_many", args=["ClearCache"])
    assert reader.post(f"{many}?points={point.pk}", {"key": KEY}).status_code == 403
    assert page(point, "Reset") not in reader.get(history).content.decode()
    assert not Command.objects.exists()
    assert Client().get(history).status_code == 302


def test_an_unknown_command_or_charge_point_is_not_found(otto: Client, point: ChargePoint) -> None:
    assert otto.get(page(point, "MakeCoffee")).status_code == 404
    assert otto.get(reverse("admin:locations_chargepoint_command", args=[0, "Reset"])).status_code == 404
    assert otto.get(reverse("admin:locations_chargepoint_command_many", args=["Reset"])).status_code == 404


@pytest.mark.parametrize(
    ("action", "payload", "response", "words"),
    [
        ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}, {"status": "Scheduled"}, "running session has"),
        ("GetLocalListVersion", {}, {"listVersion": 7}, "Its local list has version 7."),
        (
            "GetConfiguration",
            {},
            {"configurationKey": [{"key": "A", "readonly": True, "value": "1"}], "unknownKey": ["B"]},
            "1 settings were read. It does not know B.",
        ),
        ("GetDiagnostics", {"location": "https://example.org"}, {"fileName": "d.zip"}, "The file is called d.zip."),
        ("UpdateFirmware", {"location": "x:", "retrieveDate": "2099-01-01T00:00:00Z"}, {}, "It answered."),
        (
            "GetCompositeSchedule",
            {"connectorId": 1, "duration": 60},
            {
                "status": "Accepted",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
                },
            },
            "It does as asked. 16 A from second 0.",
        ),
        ("DataTransfer", {"vendorId": "v"}, {"status": "Accepted", "data": "<b>hi</b>"}, "&lt;b&gt;hi&lt;/b&gt;"),
        ("ClearCache", {}, {"status": "Melted"}, "Melted"),
    ],
)
def test_the_answer_is_told_in_words(
    otto: Client, point: ChargePoint, action: str, payload: dict[str, Any], response: dict[str, Any], words: str
) -> None:
    answered(point, action, payload, response)
    for name in ("commands", "change"):
        text = otto.get(reverse(f"admin:locations_chargepoint_{name}", args=[point.pk])).content.decode()
        assert words in text
    assert words in otto.get(reverse("admin:ocpp_gateway_command_changelist")).content.decode()


def test_a_refusal_by_error_is_told_in_words(otto: Client, point: ChargePoint) -> None:
    command = queue_command(charge_point_id=point.pk, action="ClearCache", payload={})
    take_commands(held={point.pk}, now=clock.now())
    command.refresh_from_db()
    record_error(
        command_id=command.pk, unique_id=command.unique_id, code="NotSupported", description="no cache", at=clock.now()
    )
    text = otto.get(reverse("admin:ocpp_gateway_command_change", args=[command.pk])).content.decode()
    assert "It knows this command but cannot do it. no cache" in text


def test_a_selection_gets_the_same_command_each_once(otto: Client) -> None:
    points = [ConnectorFactory().charge_point for _ in range(3)]
    ConnectorFactory()
    chosen = otto.post(
        reverse("admin:locations_chargepoint_changelist"),
        {"action": "send_command", "_selected_action": [point.pk for point in points]},
    )
    selection = ",".join(str(point.pk) for point in points)
    assert chosen.headers["Location"] == f"{reverse('admin:locations_chargepoint_many')}?points={selection}"
    listed = otto.get(chosen.headers["Location"]).content.decode()
    assert all(point.identity in listed for point in points)
    assert all(str(form.title()) in listed for form in bulk_forms())

    address = f"{reverse('admin:locations_chargepoint_command_many', args=['Reset'])}?points={selection}"
    sent = {"key": KEY, "type": "Soft", "reason": "new tariff screens"}
    preview = otto.post(address, sent).content.decode()
    assert all(point.identity in preview for point in points)
    assert not Command.objects.exists()
    for _ in range(2):
        assert otto.post(address, {**sent, "confirmed": "1"}).status_code == 302
    commands = Command.objects.order_by("charge_point_id").values_list("charge_point_id", "action", "payload")
    assert list(commands) == [(point.pk, "Reset", {"type": "Soft"}) for point in points]
    assert AuditEvent.objects.filter(action="station_command", reason="new tariff screens").count() == 3


def test_a_selection_takes_the_same_number_of_queries_whatever_its_size(otto: Client) -> None:
    def queries(count: int, key: str) -> int:
        points = ",".join(str(ConnectorFactory().charge_point.pk) for _ in range(count))
        address = f"{reverse('admin:locations_chargepoint_command_many', args=['ClearCache'])}?points={points}"
        with CaptureQueriesContext(connection) as captured:
            assert otto.post(address, {"key": key}).status_code == 302
        return len(captured)

    assert queries(2, KEY) == queries(9, KEY.replace("2", "3"))
    assert Command.objects.count() == 11


def test_a_selection_with_another_version_is_left_alone(otto: Client, point: ChargePoint) -> None:
    other = ConnectorFactory(
        evse__charge_point__identity="NEWER-01", evse__charge_point__ocpp_version="2.0.1"
    ).charge_point
    address = reverse("admin:locations_chargepoint_command_many", args=["ClearChargingProfile"])
    assert otto.post(f"{address}?points={point.pk}", {"key": KEY}).status_code == 404
    address = reverse("admin:locations_chargepoint_command_many", args=["GetConfiguration"])
    refused = otto.post(f"{address}?points={point.pk},{other.pk}", {"key": KEY, "keys": ""}).content.decode()
    assert "Leave out NEWER-01" in refused
    assert not Command.objects.exists()


def test_a_new_key_is_sent_over_the_connection_and_seen_by_nobody(otto: Client, point: ChargePoint) -> None:
    address = reverse("admin:locations_chargepoint_key", args=[point.pk])
    preview = otto.post(address, {"key": KEY, "reason": "yearly", "way": "sent"}).content.decode()
    assert "until it accepts the new one" in preview
    assert not Command.objects.exists()
    assert otto.post(address, {"key": KEY, "reason": "yearly", "way": "sent", "confirmed": "1"}).status_code == 302
    command = Command.objects.get()
    assert (command.action, command.payload["key"]) == ("ChangeConfiguration", "AuthorizationKey")
    page = otto.get(reverse("admin:ocpp_gateway_command_change", args=[command.pk])).content.decode()
    assert command.payload["value"] not in page
