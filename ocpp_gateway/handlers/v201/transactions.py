"""TransactionEvent and MeterValues of OCPP 2.0.1 (part 2, blocks E and J)."""

from datetime import datetime, timedelta
from typing import Any, Final

from billing.models import ChargingSession
from billing.services import sessions
from ocpp_gateway.domain.v201.events import ENDED, STARTED, read_event
from ocpp_gateway.domain.v201.meter import read_samples
from ocpp_gateway.domain.v201.words import id_token_info
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.handlers.shared import boot_answer, changed_pages
from ocpp_gateway.handlers.v201.shared import habits_of, judged
from ocpp_gateway.services import foreign_transactions
from ocpp_gateway.services.admission import Station
from ocpp_gateway.services.remote import ask_to_stop
from ocpp_gateway.services.reports import park_report
from ocpp_gateway.services.v201 import places
from ocpp_gateway.services.v201.costs import total_cost
from ocpp_gateway.services.v201.foreign import foreign_session
from ocpp_gateway.services.v201.telling import Told
from ocpp_gateway.services.v201.transactions import ACTION, record_event

TRANSACTION_ACTIONS: Final = frozenset({ACTION, "MeterValues"})
# A refused start reported later than this is history: there is nothing left to stop.
_STILL_RUNNING: Final = timedelta(minutes=10)


def transaction_event(station: Station, payload: Payload, received_at: datetime) -> Reply:
    habits = habits_of(station)
    event = read_event(payload, received_at=received_at, habits=habits)
    if not station.is_admitted or not event.transaction_id:
        reason = "transaction_id_missing" if station.is_admitted else "charge_point_pending"
        return park(ACTION, station, payload, received_at, reason=reason)
    if event.kind != STARTED:
        foreign_id = foreign_session(charge_point_id=station.charge_point_id, transaction_id=event.transaction_id)
        if foreign_id is not None:
            parked = park(ACTION, station, payload, received_at, reason=foreign_transactions.REASON)
            return Reply(parked.payload, network_changed=True, foreign_session_id=foreign_id)
    event, told = record_event(
        charge_point_id=station.charge_point_id, payload=payload, habits=habits, received_at=received_at
    )
    session = told.session
    if told.parked_reason and session is not None:
        park_report(
            charge_point_id=station.charge_point_id,
            action=ACTION,
            payload=payload,
            reason=told.parked_reason,
            received_at=received_at,
            session_id=session.pk,
        )
    if session is not None and _must_stop(told, event.moment.occurred_at, received_at):
        ask_to_stop(session_id=session.pk, charge_point_id=station.charge_point_id)
    answer: dict[str, Any] = {}
    if event.id_tag:
        answer |= _id_token_info(station, event.id_tag, told, received_at)
    if session is not None and (told.has_ended or event.kind == ENDED):
        cost = total_cost(session_id=session.pk)
        if cost is not None:
            answer["totalCost"] = cost
    return Reply(answer, changed_sessions=changed_pages(session.public_id if session else None), network_changed=True)


def meter_values(station: Station, payload: Payload, received_at: datetime) -> Reply:
    """Values beside a transaction's events count for the session running there; others stay in the message log."""
    samples = read_samples(
        payload.get("meterValue") or (), received_at=received_at, clock_offset=habits_of(station).clock_offset
    )
    connector = None
    if samples and payload["evseId"] > 0:
        connector = places.connector_at(
            charge_point_id=station.charge_point_id, evse_number=payload["evseId"], connector_number=None
        )
    if connector is None:
        return Reply()
    directive = sessions.record_meter_values(
        charge_point_id=station.charge_point_id,
        session_id=None,
        connector_number=connector.number,
        samples=samples,
        received_at=received_at,
    )
    if directive.stop and directive.session_id is not None:
        ask_to_stop(session_id=directive.session_id, charge_point_id=station.charge_point_id)
    return Reply(changed_sessions=changed_pages(directive.public_id))


def park(action: str, station: Station, payload: Payload, received_at: datetime, *, reason: str) -> Reply:
    """Keep a report of a transaction that cannot be booked and answer it validly: what a station reports is a fact."""
    park_report(
        charge_point_id=station.charge_point_id,
        action=action,
        payload=payload,
        reason=reason,
        received_at=received_at,
    )
    has_token = action == ACTION and isinstance(payload.get("idToken"), dict)
    return Reply(id_token_info(reason) if has_token else {}, network_changed=True)


def answer_without_effect(action: str, station: Station, payload: Payload, received_at: datetime) -> Reply:
    """A valid answer when the request could not be carried out: a broken service must not break the conversation."""
    if action in TRANSACTION_ACTIONS:
        return park(action, station, payload, received_at, reason="internal_error")
    if action == "BootNotification":
        return Reply(boot_answer(station, received_at))
    if action == "Authorize":
        return Reply(id_token_info("internal_error"))
    return Reply()


def _must_stop(told: Told, occurred_at: datetime, received_at: datetime) -> bool:
    """Billing wants it stopped, or its token was refused a moment ago."""
    if told.session is None or told.has_ended:
        return False
    is_refused = told.start_code not in {"", "accepted"} and received_at - occurred_at < _STILL_RUNNING
    return told.stop or is_refused


def _id_token_info(station: Station, id_tag: str, told: Told, received_at: datetime) -> dict[str, Any]:
    """The verdict of the start where there was one; a token that ends or joins is judged as it is now."""
    session = told.session
    is_payer = session is not None and session.id_tag.casefold() == id_tag.casefold()
    if is_payer and session is not None and session.status == ChargingSession.Status.ACTIVE and session.review_reason:
        return id_token_info(session.review_reason)
    if is_payer and session is not None and not session.review_reason:
        if session.driver_id is not None:
            return id_token_info("accepted", group=f"DRIVER-{session.driver_id}")
        if session.channel == ChargingSession.Channel.AD_HOC:
            return id_token_info("accepted")
    return judged(station, id_tag, received_at)
