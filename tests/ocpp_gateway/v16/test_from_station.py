"""Every request of OCPP 1.6 stations, over a real socket: answered, and kept where an operator needs it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import IntegrityError, transaction

from accounts.models import Token
from locations.models import ChargePoint
from ocpp_gateway.domain.schemas import FROM_STATION_16
from ocpp_gateway.models import CertificateRequest, SecurityEvent, TransferReport
from tests.ocpp_gateway.station import ScriptedStation
from tests.ocpp_gateway.test_conversation import energy, moment, start, status
from tests.ocpp_gateway.test_recorded import response_schema

Plug = Callable[..., ScriptedStation]


def signing_request(common_name: str = "BERLIN-01") -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def requests(session_id: int) -> dict[str, dict[str, Any]]:
    return {
        "Authorize": {"idTag": "04ADA0001"},
        "BootNotification": {"chargePointVendor": "Wallbe", "chargePointModel": "Eco"},
        "DataTransfer": {"vendorId": "org.example", "messageId": "x", "data": "y"},
        "DiagnosticsStatusNotification": {"status": "Uploading"},
        "FirmwareStatusNotification": {"status": "Downloading"},
        "Heartbeat": {},
        "LogStatusNotification": {"status": "Uploaded", "requestId": 4},
        "MeterValues": energy("1500", session_id=session_id, at=moment(60)),
        "SecurityEventNotification": {"type": "SettingSystemTime", "timestamp": moment()},
        "SignCertificate": {"csr": signing_request()},
        "SignedFirmwareStatusNotification": {"status": "SignatureVerified", "requestId": 4},
        "StartTransaction": start(),
        "StatusNotification": status("Charging"),
        "StopTransaction": {"transactionId": session_id, "meterStop": 2_000, "timestamp": moment(1)},
    }


def test_every_request_is_answered_as_its_schema_says(plug_in: Plug, ada: Token) -> None:
    with plug_in() as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
        asked = requests(session_id)
        assert set(asked) == FROM_STATION_16
        for action, payload in asked.items():
            assert response_schema(action).is_valid(station.call(action, payload)), action


def test_progress_of_firmware_and_logs_is_kept(plug_in: Plug, charge_point: ChargePoint) -> None:
    with plug_in() as station:
        assert station.call("FirmwareStatusNotification", {"status": "Downloading"}) == {}
        assert station.call("FirmwareStatusNotification", {"status": "Downloading"}) == {}
        assert station.call("FirmwareStatusNotification", {"status": "InstallationFailed"}) == {}
        assert station.call("SignedFirmwareStatusNotification", {"status": "Installed", "requestId": 9}) == {}
        assert station.call("DiagnosticsStatusNotification", {"status": "Uploaded"}) == {}
        assert station.call("LogStatusNotification", {"status": "UploadFailure", "requestId": 8}) == {}
        assert station.ask("FirmwareStatusNotification", {"status": "Melting"})[0] == 4
    rows = TransferReport.objects.order_by("pk").values_list("topic", "status", "request_id")
    assert list(rows) == [
        ("firmware", "Downloading", None),
        ("firmware", "InstallationFailed", None),
        ("firmware", "Installed", 9),
        ("log", "Uploaded", None),
        ("log", "UploadFailure", 8),
    ]
    with pytest.raises(IntegrityError), transaction.atomic():
        TransferReport.objects.update(status="Installed")


def test_security_events_are_kept_once_and_the_alarming_ones_stand_out(
    plug_in: Plug, charge_point: ChargePoint
) -> None:
    at = moment(30)
    tampering = {"type": "TamperDetectionActivated", "timestamp": at, "techInfo": "door"}
    with plug_in() as station:
        assert station.call("SecurityEventNotification", tampering) == {}
        assert station.call("SecurityEventNotification", tampering) == {}
        assert station.call("SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": at}) == {}
        assert station.call("SecurityEventNotification", {"type": "SomethingNew", "timestamp": "yesterday"}) == {}
    events = list(SecurityEvent.objects.order_by("pk"))
    assert [(event.type, event.needs_attention, event.tech_info) for event in events] == [
        ("TamperDetectionActivated", True, "door"),
        ("StartupOfTheDevice", False, ""),
        ("SomethingNew", False, ""),
    ]
    assert events[0].reported_at == datetime.fromisoformat(at)
    assert events[2].reported_at == events[2].received_at
    with pytest.raises(IntegrityError), transaction.atomic():
        SecurityEvent.objects.all().delete()


def test_a_certificate_request_is_kept_and_waits(plug_in: Plug, charge_point: ChargePoint) -> None:
    csr = signing_request("BERLIN-01")
    with plug_in() as station:
        assert station.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
        assert station.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
        assert station.call("SignCertificate", {"csr": "-----BEGIN CERTIFICATE REQUEST-----"}) == {"status": "Rejected"}
    request = CertificateRequest.objects.get()
    assert (request.charge_point, request.csr, request.subject, request.status) == (
        charge_point,
        csr,
        "BERLIN-01",
        "waiting",
    )


def test_a_station_waiting_for_approval_gets_no_certificate(plug_in: Plug, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(admission="pending")
    with plug_in() as station:
        assert station.call("SignCertificate", {"csr": signing_request()}) == {"status": "Rejected"}
    assert not CertificateRequest.objects.exists()
