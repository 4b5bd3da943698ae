"""Every message a 2.0.1 station may send, on a real socket: answered validly, and kept where an operator needs it."""

from typing import Any

import pytest

from accounts.models import Token
from locations.models import ChargePoint, Connector
from ocpp_gateway.domain.v201.schemas import FROM_STATION_201
from ocpp_gateway.handlers.v201 import DIALECT_201
from ocpp_gateway.models import (
    CertificateRequest,
    ConfigurationValue,
    OcppMessage,
    SecurityEvent,
    StationReport,
    TransferReport,
)
from tests.factories import ConnectorFactory, EvseFactory, TokenFactory
from tests.ocpp_gateway.v201.conftest import TAG, Plug, energy, event, moment
from tests.ocpp_gateway.v201.schemas import schema

pytestmark = pytest.mark.usefixtures("ada")

TOKEN = {"idToken": TAG, "type": "ISO14443"}
SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "W",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000}],
}
PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [SCHEDULE],
}
MESSAGES: dict[str, dict[str, Any]] = {
    "Authorize": {"idToken": TOKEN},
    "BootNotification": {
        "reason": "PowerUp",
        "chargingStation": {"model": "One", "vendorName": "Maker", "serialNumber": "7", "firmwareVersion": "2"},
    },
    "ClearedChargingLimit": {"chargingLimitSource": "EMS", "evseId": 1},
    "DataTransfer": {"vendorId": "org.example", "data": {"any": ["thing", 1.5]}},
    "FirmwareStatusNotification": {"status": "DownloadFailed", "requestId": 4},
    "Get15118EVCertificate": {"iso15118SchemaVersion": "urn:x", "action": "Install", "exiRequest": "QUJD"},
    "GetCertificateStatus": {
        "ocspRequestData": {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "a",
            "issuerKeyHash": "b",
            "serialNumber": "1",
            "responderURL": "http://ocsp.example",
        }
    },
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Uploaded", "requestId": 5},
    "MeterValues": {"evseId": 1, "meterValue": energy(0, 1)},
    "NotifyChargingLimit": {"chargingLimit": {"chargingLimitSource": "SO"}, "chargingSchedule": [SCHEDULE]},
    "NotifyCustomerInformation": {"data": "Ada", "seqNo": 0, "generatedAt": moment(), "requestId": 6},
    "NotifyDisplayMessages": {
        "requestId": 7,
        "messageInfo": [{"id": 1, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "Closed"}}],
    },
    "NotifyEVChargingNeeds": {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}},
    "NotifyEVChargingSchedule": {"evseId": 1, "timeBase": moment(), "chargingSchedule": SCHEDULE},
    "NotifyEvent": {
        "generatedAt": moment(),
        "seqNo": 0,
        "eventData": [
            {
                "eventId": 1,
                "timestamp": moment(),
                "trigger": "Alerting",
                "actualValue": "Faulted",
                "techCode": "E01",
                "eventNotificationType": "HardWiredNotification",
                "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
                "variable": {"name": "AvailabilityState"},
            }
        ],
    },
    "NotifyMonitoringReport": {
        "requestId": 8,
        "seqNo": 0,
        "generatedAt": moment(),
        "monitor": [
            {
                "component": {"name": "EVSE", "evse": {"id": 1}},
                "variable": {"name": "Power"},
                "variableMonitoring": [
                    {"id": 1, "transaction": False, "value": 11.5, "type": "UpperThreshold", "severity": 3}
                ],
            }
        ],
    },
    "NotifyReport": {
        "requestId": 9,
        "seqNo": 0,
        "generatedAt": moment(),
        "reportData": [
            {
                "component": {"name": "SampledDataCtrlr"},
                "variable": {"name": "TxUpdatedInterval"},
                "variableAttribute": [{"value": "60"}, {"type": "Target", "value": "30"}],
            },
            {
                "component": {"name": "TariffCostCtrlr"},
                "variable": {"name": "Available", "instance": "Cost"},
                "variableAttribute": [{"value": "true", "mutability": "ReadOnly"}],
            },
            {
                "component": {"name": "SecurityCtrlr"},
                "variable": {"name": "BasicAuthPassword"},
                "variableAttribute": [{"value": "never-to-be-told"}],
            },
        ],
    },
    "PublishFirmwareStatusNotification": {"status": "Published", "location": ["ftp://x"], "requestId": 10},
    "ReportChargingProfiles": {
        "requestId": 11, "chargingLimitSource": "CSO", "evseId": 1, "chargingProfile": [PROFILE],
    },
    "ReservationStatusUpdate": {"reservationId": 12, "reservationUpdateStatus": "Expired"},
    "SecurityEventNotification": {"type": "TamperDetectionActivated", "timestamp": moment(), "techInfo": "lid"},
    "SignCertificate": {"csr": "no certificate request"},
    "StatusNotification": {"timestamp": moment(), "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
    "TransactionEvent": event("Started", 0, 0, tag=TAG, evse={"id": 1}, meterValue=energy(0, 0)),
}  # fmt: skip


def test_every_message_is_known() -> None:
    assert set(MESSAGES) == FROM_STATION_201
    assert set(DIALECT_201.handlers) | set(DIALECT_201.immediate_handlers) == FROM_STATION_201


def test_every_message_is_answered_as_the_specification_has_it(plug_in_201: Plug) -> None:
    answers = {}
    with plug_in_201() as station:
        for action, payload in MESSAGES.items():
            assert schema(f"{action}Request").is_valid(payload), action
            answers[action] = station.call(action, payload)
            assert schema(f"{action}Response").is_valid(answers[action]), (action, answers[action])
        assert station.ask("MakeCoffee", {})[2] == "NotImplemented"
    assert answers["BootNotification"]["status"] == "Accepted"
    assert answers["DataTransfer"] == {"status": "UnknownVendorId"}
    assert answers["Get15118EVCertificate"] == {"status": "Failed", "exiResponse": ""}
    assert answers["GetCertificateStatus"] == {"status": "Failed"}
    assert answers["NotifyEVChargingNeeds"] == {"status": "Rejected"}
    assert answers["SignCertificate"] == {"status": "Rejected"}
    assert not OcppMessage.objects.filter(kind="invalid").exists()


def test_what_an_operator_needs_is_kept(plug_in_201: Plug, charge_point: ChargePoint) -> None:
    with plug_in_201() as station:
        for action, payload in MESSAGES.items():
            station.call(action, payload)
    settings = dict(ConfigurationValue.objects.values_list("key", "value"))
    assert settings == {
        "SampledDataCtrlr.TxUpdatedInterval": "60",
        "SampledDataCtrlr.TxUpdatedInterval/Target": "30",
        "TariffCostCtrlr.Available[Cost]": "true",
        "SecurityCtrlr.BasicAuthPassword": "",
    }
    says = dict(StationReport.objects.values_list("action", "summary"))
    assert says == {
        "ClearedChargingLimit": "EMS; 1",
        "NotifyChargingLimit": "NotifyChargingLimit",
        "NotifyCustomerInformation": "Ada",
        "NotifyDisplayMessages": "Closed",
        "NotifyEVChargingNeeds": "1",
        "NotifyEVChargingSchedule": "1",
        "NotifyEvent": "Connector@1.1.AvailabilityState: Faulted E01",
        "NotifyMonitoringReport": "EVSE@1.Power",
        "PublishFirmwareStatusNotification": "Published",
        "ReportChargingProfiles": "CSO; 1",
        "ReservationStatusUpdate": "Expired",
    }
    assert list(TransferReport.objects.order_by("pk").values_list("topic", "status", "request_id")) == [
        ("firmware", "DownloadFailed", 4),
        ("log", "Uploaded", 5),
    ]
    assert SecurityEvent.objects.get().tech_info == "lid"
    assert not CertificateRequest.objects.exists()
    charge_point.refresh_from_db()
    assert (charge_point.serial_number, charge_point.firmware_version) == ("7", "2")
    assert charge_point.ocpp_version == "2.0.1"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("BootNotification", {"chargingStation": {"model": "M" * 40, "vendorName": "V", "modem": {"iccid": 5}}}),
        ("StatusNotification", {"connectorStatus": "Occupied", "evseId": "1", "connectorId": 1, "errorCode": "None"}),
        ("Authorize", {"idToken": {"idToken": TAG, "type": "RFID", "additionalInfo": []}}),
        ("MeterValues", {"evseId": 1, "meterValue": [{"timestamp": None, "sampledValue": [{"value": None}]}]}),
        ("SecurityEventNotification", {"type": "X" * 60, "techInfo": "y" * 300}),
        ("NotifyEvent", MESSAGES["NotifyEvent"] | {"generatedAt": None, "custom": 1}),
        (
            "TransactionEvent",
            {
                "eventType": "Started",
                "transactionInfo": {"transactionId": "T", "chargingState": "Dancing", "stoppedReason": None},
                "evse": {"id": "one"},
                "meterValue": [],
            },
        ),
    ],
)
def test_small_defects_are_mended(plug_in_201: Plug, action: str, payload: dict[str, Any]) -> None:
    with plug_in_201() as station:
        assert schema(f"{action}Response").is_valid(station.call(action, payload))


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Authorize", {}, "OccurrenceConstraintViolation"),
        ("Authorize", {"idToken": {"type": "Central"}}, "OccurrenceConstraintViolation"),
        ("StatusNotification", {"connectorStatus": "?", "evseId": 1, "connectorId": 1}, "PropertyConstraintViolation"),
        ("TransactionEvent", {"eventType": 5, "transactionInfo": {"transactionId": "T"}}, "TypeConstraintViolation"),
    ],
)  # fmt: skip
def test_what_decides_is_not_guessed(plug_in_201: Plug, action: str, payload: dict[str, Any], code: str) -> None:
    with plug_in_201() as station:
        assert station.ask(action, payload)[2] == code
        assert station.call("Heartbeat", {})


def test_what_is_no_message_is_refused_under_the_id_of_no_message(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        station.send_text("[2,")
        assert station.receive()[:3] == [4, "-1", "FormatViolation"]
        assert station.call("Heartbeat", {})


def test_the_statuses_of_a_connector(plug_in_201: Plug, connector: Connector) -> None:
    second = ConnectorFactory(evse=EvseFactory(charge_point=connector.charge_point, number=2), number=2)
    status = {"timestamp": moment(), "evseId": 2, "connectorId": 1}
    with plug_in_201() as station:
        for said, shown in [("Occupied", "Preparing"), ("Available", "Available"), ("Faulted", "Faulted")]:
            station.call("StatusNotification", status | {"connectorStatus": said})
            second.refresh_from_db()
            assert second.status == shown
        for evse_id, connector_id in [(0, 0), (1, 0), (9, 1), (2, 2)]:
            place = {"evseId": evse_id, "connectorId": connector_id, "connectorStatus": "Unavailable"}
            station.call("StatusNotification", status | place)
    assert list(Connector.objects.order_by("number").values_list("status", flat=True)) == ["Unknown", "Faulted"]


def test_cards_of_one_driver_are_one_group_and_refusals_say_why(plug_in_201: Plug, ada: Token) -> None:
    TokenFactory(id_tag="04ADA0002", driver=ada.driver)
    TokenFactory(id_tag="04BLOCKED", driver=ada.driver, status="blocked")

    def info(id_tag: str) -> dict[str, Any]:
        return station.call("Authorize", {"idToken": {"idToken": id_tag, "type": "ISO14443"}})["idTokenInfo"]

    with plug_in_201() as station:
        assert info(TAG) == info("04ada0002")
        assert info(TAG)["groupIdToken"]["type"] == "Central"
        assert info("04BLOCKED") == {"status": "Blocked"}
        assert info("04NOBODY") == {"status": "Unknown"}
        assert station.call("Authorize", {"idToken": TOKEN, "certificate": "pem"}) == {
            "idTokenInfo": {"status": "Invalid"},
            "certificateStatus": "NoCertificateAvailable",
        }


def test_the_log_masks_the_token(plug_in_201: Plug) -> None:
    with plug_in_201() as station:
        station.call("Authorize", {"idToken": {"idToken": "04ADA000123", "type": "ISO14443"}}, "auth-1")
        station.call("Heartbeat", {})
    frame = OcppMessage.objects.earliest("pk").frame
    assert "04ADA000123" not in frame
    assert '"idToken": "04***23"' in frame
