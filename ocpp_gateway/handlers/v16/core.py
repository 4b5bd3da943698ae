"""Boot, heartbeat, status and authorisation in OCPP 1.6.

Whatever a handler is given has passed the schema or its repairs (domain.repairs). Each turns the request into our
values and calls one service.
"""

from datetime import datetime

from billing.services import sessions
from locations.services import status
from ocpp_gateway.domain.values import write_moment
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.handlers.shared import boot_answer, changed_pages, moment_of
from ocpp_gateway.handlers.v16.shared import id_tag_info, id_tag_of
from ocpp_gateway.services.admission import Station


def boot_notification(station: Station, payload: Payload, received_at: datetime) -> Reply:
    status.record_boot(
        charge_point_id=station.charge_point_id,
        vendor=payload["chargePointVendor"],
        model=payload["chargePointModel"],
        serial_number=payload.get("chargePointSerialNumber") or payload.get("chargeBoxSerialNumber") or "",
        firmware_version=payload.get("firmwareVersion") or "",
        at=received_at,
    )
    return Reply(boot_answer(station, received_at), network_changed=True, is_boot=True)


def heartbeat(station: Station, payload: Payload, received_at: datetime) -> Reply:
    return Reply({"currentTime": write_moment(received_at)})


def status_notification(station: Station, payload: Payload, received_at: datetime) -> Reply:
    moment = moment_of(station, payload, received_at)
    at = moment.occurred_at
    number = int(payload["connectorId"])
    status.record_connector_status(
        charge_point_id=station.charge_point_id,
        connector_number=number,
        status=payload["status"],
        error_code=payload["errorCode"],
        at=at,
    )
    directive = sessions.connector_status(
        charge_point_id=station.charge_point_id, connector_number=number, status=payload["status"], at=at
    )
    return Reply(
        changed_sessions=changed_pages(directive.public_id),
        network_changed=True,
        # What was missing or could not be read is replaced by our own time, which says nothing.
        clock_reading=None if moment.reported_at == received_at else moment.reported_at,
    )


def authorize(station: Station, payload: Payload, received_at: datetime) -> Reply:
    if not station.is_admitted:
        return Reply(id_tag_info("charge_point_pending"))
    answer = sessions.authorize(
        charge_point_id=station.charge_point_id, id_tag=id_tag_of(station, payload), at=received_at
    )
    return Reply(id_tag_info(answer.code if not answer.accepted else "accepted"))


def data_transfer(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """Nothing a vendor sends on its own account is understood here; the message log keeps what it says."""
    return Reply({"status": "UnknownVendorId"})
