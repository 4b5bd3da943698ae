"""A charge point reports that a transaction began."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from djmoney.money import Money

from billing.domain.answers import StartResult
from billing.models import ChargingSession
from billing.services.admission import Admission, admit, terms_for, usable_token
from billing.services.holds import place_hold
from billing.services.sessions.closing import end_session
from common.errors import Refused
from common.locking import lock_rows
from locations.models import Connector

# A hold outlives any stay; the sweep releases what is left of it.
HOLD_LIFETIME = timedelta(days=2)


def start_session(
    *,
    charge_point_id: int,
    connector_number: int,
    id_tag: str,
    meter_start_wh: Decimal,
    started_at: datetime,
    reported_at: datetime,
    received_at: datetime,
) -> StartResult:
    """Record a start report (OCPP 1.6, StartTransaction) and freeze the price.

    `started_at` is the corrected moment, `reported_at` the station's own; the same report again, under any message id,
    returns the first session, before any other check. A refused start is recorded all the same: energy may flow, and
    the report is a fact. Such a session carries its review reason and is never billed unseen.
    Locks: open sessions of the connector, then the wallet account.
    """
    key: dict[str, Any] = {
        "charge_point_id": charge_point_id,
        "connector": Connector.objects.filter(charge_point_id=charge_point_id, number=connector_number)
        .select_related("charge_point__location")
        .first(),
        "id_tag": id_tag.strip()[:36],
        "start_reported_at": reported_at.replace(microsecond=0),
        "meter_start_wh": meter_start_wh,
    }
    known = ChargingSession.objects.filter(**key).first()
    if known is not None:
        return _answer(known)
    try:
        with transaction.atomic():
            return _record_start(key, started_at=started_at, received_at=received_at)
    except IntegrityError:
        # The same report came in on another connection at the same time. (Without a connector the database cannot
        # tell repeats apart; such a session is parked anyway.)
        known = ChargingSession.objects.filter(**key).first()
        if known is None:
            raise
        return _answer(known)


def _record_start(key: dict[str, Any], *, started_at: datetime, received_at: datetime) -> StartResult:
    connector: Connector | None = key["connector"]
    session = _take_over_request(key) or ChargingSession(channel=ChargingSession.Channel.RFID)
    for name, value in key.items():
        setattr(session, name, value)
    session.status = ChargingSession.Status.ACTIVE
    session.started_at = started_at
    session.start_received_at = received_at
    if session.pk is not None:
        session.save()
        return _answer(session)
    admission: Admission | None = None
    try:
        token = usable_token(session.id_tag, started_at)
        session.token, session.driver = token, token.driver
        session.channel = token.kind
        admission = admit(
            driver_id=token.driver_id, at=started_at, power_class=connector.power_class if connector else "AC"
        )
        session.contract = admission.contract
        session.spend_limit = admission.spend_limit
    except Refused as refusal:
        session.review_reason = refusal.code
        session.review_note = str(refusal.message)
    _freeze_terms(session, started_at)
    session.save()
    if admission is not None and admission.wallet_hold and not session.review_reason:
        reserve_in_wallet(session, admission.wallet_hold, now=received_at)
    return _answer(session)


def _take_over_request(key: dict[str, Any]) -> ChargingSession | None:
    """The request this start answers, if any. Another session open on the connector never got its stop: it ends."""
    connector: Connector | None = key["connector"]
    if connector is None:
        return None
    still_open = lock_rows(
        ChargingSession.objects.filter(connector=connector, status__in=["requested", "active", "finishing"])
    )
    request: ChargingSession | None = None
    for session in still_open:
        if session.status != ChargingSession.Status.REQUESTED:
            end_session(session, at=None, doubt="no_stop_report")
        elif session.id_tag.casefold() == key["id_tag"].casefold():
            request = session
    return request


def _freeze_terms(session: ChargingSession, at: datetime) -> None:
    if session.connector is None:
        session.review_reason = session.review_reason or "unknown_connector"
        return
    try:
        terms = terms_for(connector=session.connector, contract=session.contract, channel=session.channel, at=at)
    except Refused as refusal:
        session.review_reason = session.review_reason or refusal.code
        session.review_note = session.review_note or str(refusal.message)
        return
    for name, value in terms.items():
        setattr(session, name, value)


def reserve_in_wallet(session: ChargingSession, amount: Decimal, *, now: datetime) -> None:
    """Hold `amount` of the driver's wallet for the session; the count of its holds makes the key."""
    place_hold(
        driver_id=session.driver_id or 0,
        session_id=session.pk,
        amount=Money(amount, session.currency),
        expires_at=now + HOLD_LIFETIME,
        idempotency_key=f"session:{session.public_id}:hold:{session.holds.count() + 1}",
    )


def _answer(session: ChargingSession) -> StartResult:
    return StartResult(
        session_id=session.pk,
        public_id=session.public_id,
        accepted=not session.review_reason,
        code=session.review_reason or "accepted",
        message=session.review_note,
    )
