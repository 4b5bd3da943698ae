"""OCPP 1.6 requests of stations. Each handler turns the request into our values and calls one service of billing.

Whatever a handler is given has passed the schema or its repairs (domain.repairs). Handlers run in a database thread.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from billing.services import sessions
from locations.services import status
from ocpp_gateway.domain.values import Moment, normalise_id_tag, read_decimal, read_moment, read_samples, write_moment
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.services import foreign_transactions
from ocpp_gateway.services.admission import Station
from ocpp_gateway.services.remote import ask_to_stop
from ocpp_gateway.services.reports import park_report, start_id_of

Payload = dict[str, Any]
Handler = Callable[[Station, Payload, datetime], Reply]

# Our reasons to refuse a tag as OCPP 1.6 puts them (AuthorizationStatus, 7.2); any other reason is Invalid.
_AUTHORIZATION_STATUS: Final[Mapping[str, str]] = {
    "accepted": "Accepted",
    "token_blocked": "Blocked",
    "driver_blocked": "Blocked",
    "token_expired": "Expired",
    "connector_busy": "ConcurrentTx",
}
_NO_READING: Final = -1
_LARGEST_TRANSACTION_ID: Final = 2_147_483_647
# A refused start reported later than this is history: there is nothing left to stop.
_STILL_RUNNING: Final = timedelta(minutes=10)


def boot_notification(station: Station, payload: Payload, received_at: datetime) -> Reply:
    status.record_boot(
        charge_point_id=station.charge_point_id,
        vendor=payload["chargePointVendor"],
        model=payload["chargePointModel"],
        serial_number=payload.get("chargePointSerialNumber") or payload.get("chargeBoxSerialNumber") or "",
        firmware_version=payload.get("firmwareVersion") or "",
        at=received_at,
    )
    return Reply(_boot_answer(station, received_at), network_changed=True)


def heartbeat(station: Station, payload: Payload, received_at: datetime) -> Reply:
    return Reply({"currentTime": write_moment(received_at)})


def status_notification(station: Station, payload: Payload, received_at: datetime) -> Reply:
    at = _moment(station, payload, received_at).occurred_at
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
    return Reply(changed_sessions=_changed(directive.public_id), network_changed=True)


def authorize(station: Station, payload: Payload, received_at: datetime) -> Reply:
    if not station.is_admitted:
        return Reply(_id_tag_info("charge_point_pending"))
    answer = sessions.authorize(
        charge_point_id=station.charge_point_id, id_tag=_id_tag(station, payload), at=received_at
    )
    return Reply(_id_tag_info(answer.code if not answer.accepted else "accepted"))


def start_transaction(station: Station, payload: Payload, received_at: datetime) -> Reply:
    meter_start_wh = read_decimal(payload["meterStart"])
    if not station.is_admitted or meter_start_wh is None:
        reason = "meter_start_unreadable" if station.is_admitted else "charge_point_pending"
        return park("StartTransaction", station, payload, received_at, reason=reason)
    moment = _moment(station, payload, received_at)
    result = sessions.start_session(
        charge_point_id=station.charge_point_id,
        connector_number=int(payload["connectorId"]),
        id_tag=_id_tag(station, payload),
        meter_start_wh=meter_start_wh,
        started_at=moment.occurred_at,
        reported_at=moment.reported_at,
        received_at=received_at,
    )
    if not result.accepted and received_at - moment.occurred_at < _STILL_RUNNING:
        ask_to_stop(session_id=result.session_id, charge_point_id=station.charge_point_id)
    return Reply(
        {"transactionId": result.session_id} | _id_tag_info("accepted" if result.accepted else result.code),
        changed_sessions=_changed(result.public_id),
        network_changed=True,
    )


def meter_values(station: Station, payload: Payload, received_at: datetime) -> Reply:
    samples = read_samples(payload["meterValue"], received_at=received_at, clock_offset=_clock_offset(station))
    if not samples:
        return Reply()
    transaction_id = int(payload.get("transactionId", 0))
    directive = sessions.record_meter_values(
        charge_point_id=station.charge_point_id,
        session_id=transaction_id if 0 < transaction_id <= _LARGEST_TRANSACTION_ID else None,
        connector_number=int(payload["connectorId"]),
        samples=samples,
        received_at=received_at,
    )
    if directive.stop and directive.session_id is not None:
        ask_to_stop(session_id=directive.session_id, charge_point_id=station.charge_point_id)
    return Reply(
        changed_sessions=_changed(directive.public_id),
        foreign_session_id=None if directive.recognised else _foreign(station, transaction_id),
    )


def stop_transaction(station: Station, payload: Payload, received_at: datetime) -> Reply:
    moment = _moment(station, payload, received_at)
    meter_stop_wh = read_decimal(payload.get("meterStop"))
    result = sessions.stop_session(
        charge_point_id=station.charge_point_id,
        session_id=int(payload["transactionId"]),
        meter_stop_wh=None if meter_stop_wh is None or meter_stop_wh == _NO_READING else meter_stop_wh,
        stopped_at=moment.occurred_at,
        reported_at=moment.reported_at,
        received_at=received_at,
        reason=payload.get("reason", "Local"),
        id_tag=_id_tag(station, payload),
        samples=read_samples(
            payload.get("transactionData", ()), received_at=received_at, clock_offset=_clock_offset(station)
        ),
    )
    foreign_session_id = None if result.recognised else _foreign(station, int(payload["transactionId"]))
    if result.parked:
        park_report(
            charge_point_id=station.charge_point_id,
            action="StopTransaction",
            payload=payload,
            reason=result.reason if foreign_session_id is None else foreign_transactions.REASON,
            received_at=received_at,
            session_id=result.session_id,
        )
    return Reply(
        changed_sessions=_changed(result.public_id), network_changed=True, foreign_session_id=foreign_session_id
    )


def data_transfer(station: Station, payload: Payload, received_at: datetime) -> Reply:
    return Reply({"status": "UnknownVendorId"})


def sign_certificate(station: Station, payload: Payload, received_at: datetime) -> Reply:
    return Reply({"status": "Rejected"})


def notification(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """Notifications that ask for nothing; the message log keeps what they say."""
    return Reply()


HANDLERS: Final[Mapping[str, Handler]] = {
    "Authorize": authorize,
    "BootNotification": boot_notification,
    "MeterValues": meter_values,
    "StartTransaction": start_transaction,
    "StatusNotification": status_notification,
    "StopTransaction": stop_transaction,
}
# Answered without the database, so without a thread.
IMMEDIATE_HANDLERS: Final[Mapping[str, Handler]] = {
    "DataTransfer": data_transfer,
    "DiagnosticsStatusNotification": notification,
    "FirmwareStatusNotification": notification,
    "Heartbeat": heartbeat,
    "LogStatusNotification": notification,
    "SecurityEventNotification": notification,
    "SignCertificate": sign_certificate,
    "SignedFirmwareStatusNotification": notification,
}
TRANSACTION_ACTIONS: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})


def park(action: str, station: Station, payload: Payload, received_at: datetime, *, reason: str) -> Reply:
    """Keep a report of a transaction that cannot be booked and answer it validly: what a station reports is a fact."""
    parked = park_report(
        charge_point_id=station.charge_point_id,
        action=action,
        payload=payload,
        reason=reason,
        received_at=received_at,
    )
    if action == "StartTransaction":
        return Reply({"transactionId": start_id_of(parked)} | _id_tag_info(reason), network_changed=True)
    return Reply(network_changed=True)


def answer_without_effect(action: str, station: Station, payload: Payload, received_at: datetime) -> Reply:
    """A valid answer when the request could not be carried out: a broken service must not break the conversation."""
    if action in TRANSACTION_ACTIONS:
        return park(action, station, payload, received_at, reason="internal_error")
    if action == "BootNotification":
        return Reply(_boot_answer(station, received_at))
    if action == "Authorize":
        return Reply(_id_tag_info("internal_error"))
    return Reply()


def _boot_answer(station: Station, now: datetime) -> dict[str, Any]:
    return {
        "status": "Accepted" if station.is_admitted else "Pending",
        "currentTime": write_moment(now),
        "interval": settings.OCPP_HEARTBEAT_SECONDS,
    }


def _id_tag_info(code: str) -> dict[str, Any]:
    return {"idTagInfo": {"status": _AUTHORIZATION_STATUS.get(code, "Invalid")}}


def _id_tag(station: Station, payload: Payload) -> str:
    return normalise_id_tag(payload.get("idTag", ""), suffix_separator=station.id_tag_separator)


def _clock_offset(station: Station) -> timedelta:
    return timedelta(seconds=station.clock_offset_seconds)


def _moment(station: Station, payload: Payload, received_at: datetime) -> Moment:
    return read_moment(payload.get("timestamp"), received_at=received_at, clock_offset=_clock_offset(station))


def _foreign(station: Station, transaction_id: int) -> int | None:
    """The transaction's id when it is another charge point's."""
    if not 0 < transaction_id <= _LARGEST_TRANSACTION_ID:
        return None
    is_foreign = foreign_transactions.is_foreign(charge_point_id=station.charge_point_id, session_id=transaction_id)
    return transaction_id if is_foreign else None


def _changed(public_id: UUID | None) -> tuple[UUID, ...]:
    return () if public_id is None else (public_id,)
