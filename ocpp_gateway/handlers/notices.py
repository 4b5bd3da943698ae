"""What stations of every version notify us of: firmware, logs, security, and certificates they want signed."""

from datetime import datetime

from ocpp_gateway.domain.certificates import subject_of_request
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.handlers.shared import moment_of
from ocpp_gateway.models import TransferReport
from ocpp_gateway.services import notices
from ocpp_gateway.services.admission import Station


def firmware_status(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """FirmwareStatusNotification, in 1.6 also SignedFirmwareStatusNotification."""
    return _transfer(station, payload, received_at, TransferReport.Topic.FIRMWARE)


def log_status(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """LogStatusNotification, in 1.6 also DiagnosticsStatusNotification."""
    return _transfer(station, payload, received_at, TransferReport.Topic.LOG)


def security_event(station: Station, payload: Payload, received_at: datetime) -> Reply:
    notices.record_security_event(
        charge_point_id=station.charge_point_id,
        event_type=payload["type"],
        tech_info=payload.get("techInfo") or "",
        reported_at=moment_of(station, payload, received_at).reported_at,
        received_at=received_at,
    )
    return Reply(network_changed=True)


def sign_certificate(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """Keep the request; the signed certificate follows as a command (1.6 security whitepaper and 2.0.1, A02).

    V2G certificates, which 2.0.1 can ask for, are not signed here.
    """
    subject = subject_of_request(payload["csr"])
    is_for_us = payload.get("certificateType", "ChargingStationCertificate") == "ChargingStationCertificate"
    if subject is None or not station.is_admitted or not is_for_us:
        return Reply({"status": "Rejected"})
    notices.record_certificate_request(
        charge_point_id=station.charge_point_id, csr=payload["csr"], subject=subject, received_at=received_at
    )
    return Reply({"status": "Accepted"}, network_changed=True)


def _transfer(station: Station, payload: Payload, received_at: datetime, topic: TransferReport.Topic) -> Reply:
    notices.record_transfer_report(
        charge_point_id=station.charge_point_id,
        topic=topic,
        status=payload["status"],
        request_id=payload.get("requestId"),
        received_at=received_at,
    )
    return Reply(network_changed=True)
