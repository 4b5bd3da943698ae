"""Start, meter values and stop of transactions in OCPP 1.6, and what is kept of those that cannot be booked."""

from datetime import datetime, timedelta
from typing import Final

from billing.services import sessions
from ocpp_gateway.domain.values import read_decimal, read_samples
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.handlers.shared import boot_answer, changed_pages, clock_offset_of, moment_of
from ocpp_gateway.handlers.v16.shared import id_tag_info, id_tag_of
from ocpp_gateway.services import foreign_transactions
from ocpp_gateway.services.admission import Station
from ocpp_gateway.services.remote import ask_to_stop
from ocpp_gateway.services.reports import park_report, start_id_of

TRANSACTION_ACTIONS: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})
_NO_READING: Final = -1
_LARGEST_TRANSACTION_ID: Final = 2_147_483_647
# A refused start reported later than this is history: there is nothing left to stop.
_STILL_RUNNING: Final = timedelta(minutes=10)


def start_transaction(station: Station, payload: Payload, received_at: datetime) -> Reply:
    meter_start_wh = read_decimal(payload["meterStart"])
    if not station.is_admitted or meter_start_wh is None:
        reason = "meter_start_unreadable" if station.is_admitted else "charge_point_pending"
        return park("StartTransaction", station, payload, received_at, reason=reason)
    moment = moment_of(station, payload, received_at)
    result = sessions.start_session(
        charge_point_id=station.charge_point_id,
        connector_number=int(payload["connectorId"]),
        id_tag=id_tag_of(station, payload),
        meter_start_wh=meter_start_wh,
        started_at=moment.occurred_at,
        reported_at=moment.reported_at,
        received_at=received_at,
    )
    if not result.accepted and received_at - moment.occurred_at < _STILL_RUNNING:
        ask_to_stop(session_id=result.session_id, charge_point_id=station.charge_point_id)
    return Reply(
        {"transactionId": result.session_id} | id_tag_info("accepted" if result.accepted else result.code),
        changed_sessions=changed_pages(result.public_id),
        network_changed=True,
    )


def meter_values(station: Station, payload: Payload, received_at: datetime) -> Reply:
    samples = read_samples(payload["meterValue"], received_at=received_at, clock_offset=clock_offset_of(station))
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
        changed_sessions=changed_pages(directive.public_id),
        foreign_session_id=None if directive.recognised else _foreign(station, transaction_id),
    )


def stop_transaction(station: Station, payload: Payload, received_at: datetime) -> Reply:
    moment = moment_of(station, payload, received_at)
    meter_stop_wh = read_decimal(payload.get("meterStop"))
    result = sessions.stop_session(
        charge_point_id=station.charge_point_id,
        session_id=int(payload["transactionId"]),
        meter_stop_wh=None if meter_stop_wh is None or meter_stop_wh == _NO_READING else meter_stop_wh,
        stopped_at=moment.occurred_at,
        reported_at=moment.reported_at,
        received_at=received_at,
        reason=payload.get("reason", "Local"),
        id_tag=id_tag_of(station, payload),
        samples=read_samples(
            payload.get("transactionData", ()), received_at=received_at, clock_offset=clock_offset_of(station)
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
        changed_sessions=changed_pages(result.public_id), network_changed=True, foreign_session_id=foreign_session_id
    )


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
        return Reply({"transactionId": start_id_of(parked)} | id_tag_info(reason), network_changed=True)
    return Reply(network_changed=True)


def answer_without_effect(action: str, station: Station, payload: Payload, received_at: datetime) -> Reply:
    """A valid answer when the request could not be carried out: a broken service must not break the conversation."""
    if action in TRANSACTION_ACTIONS:
        return park(action, station, payload, received_at, reason="internal_error")
    if action == "BootNotification":
        return Reply(boot_answer(station, received_at))
    if action == "Authorize":
        return Reply(id_tag_info("internal_error"))
    if action == "SignCertificate":
        return Reply({"status": "Rejected"})
    return Reply()


def _foreign(station: Station, transaction_id: int) -> int | None:
    """The transaction's id when it is another charge point's."""
    if not 0 < transaction_id <= _LARGEST_TRANSACTION_ID:
        return None
    is_foreign = foreign_transactions.is_foreign(charge_point_id=station.charge_point_id, session_id=transaction_id)
    return transaction_id if is_foreign else None
