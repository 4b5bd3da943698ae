"""A charge point reports that a transaction began."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from djmoney.money import Money

from accounts.models import Driver, Token
from accounts.selectors.tokens import find_token
from billing.domain.answers import StartResult
from billing.models import ChargingSession, OpenAccess
from billing.selectors.open_access import is_full, open_access_at
from billing.services.admission import Admission, admit, terms_for, usable_token
from billing.services.card_holds import ask_for_hold
from billing.services.holds import place_hold
from billing.services.sessions.closing import end_session
from common.errors import Refused
from common.locking import lock_row, lock_rows
from locations.models import Connector

# A hold outlives any stay; the sweep releases what is left of it.
HOLD_LIFETIME = timedelta(days=2)


def start_session(
    *,
    charge_point_id: int,
    connector_number: int,
    id_tag: str,
    meter_start_wh: Decimal | None,
    started_at: datetime,
    reported_at: datetime,
    received_at: datetime,
    station_transaction_id: str = "",
    request_id: int | None = None,
) -> StartResult:
    """Record a start report (OCPP 1.6, StartTransaction; 2.0.1, TransactionEvent) and freeze the price.

    `started_at` is the corrected moment, `reported_at` the station's own; the same report again, under any message id,
    returns the first session, before any other check. A refused start is recorded all the same: energy may flow, and
    the report is a fact. Such a session carries its review reason and is never billed unseen.
    A station that numbers its transactions gives `station_transaction_id`, which is then what makes a report the same;
    its register may come later (None), and `request_id` names the requested session it answers.
    Where the place is open to everybody nobody is refused, and nothing is reserved.
    Locks: the driver, the connector, its open sessions, the OpenAccess row, then the wallet account.
    """
    report: dict[str, Any] = {
        "charge_point_id": charge_point_id,
        "connector_number": max(connector_number, 0),
        "id_tag": id_tag.strip()[:36],
        "start_reported_at": reported_at.replace(microsecond=0),
        "meter_start_reported_wh": meter_start_wh,
        "station_transaction_id": station_transaction_id,
    }
    names = ("charge_point_id", "station_transaction_id") if station_transaction_id else tuple(report)
    key = {name: report[name] for name in names}
    known = ChargingSession.objects.filter(**key).first()
    if known is not None:
        return _answer(known)
    try:
        with transaction.atomic():
            return _record_start(report, started_at=started_at, received_at=received_at, request_id=request_id)
    except IntegrityError:
        # The same report came in on another connection at the same time.
        known = ChargingSession.objects.filter(**key).first()
        if known is None:
            raise
        return _answer(known)


def _record_start(
    key: dict[str, Any], *, started_at: datetime, received_at: datetime, request_id: int | None
) -> StartResult:
    lock_card_holder(key["id_tag"])
    connector = _lock_connector(key)
    session = _take_over_request(
        connector, key["id_tag"], started_at=started_at, request_id=request_id
    ) or ChargingSession(channel=ChargingSession.Channel.RFID)
    session.meter_start_wh = key["meter_start_reported_wh"]
    for name, value in (key | {"id_tag": key["id_tag"] or session.id_tag}).items():
        setattr(session, name, value)
    session.connector = connector
    session.status = ChargingSession.Status.ACTIVE
    session.started_at = started_at
    session.start_received_at = received_at
    if session.pk is not None:
        session.save()
        return _answer(session)
    admission: Admission | None = None
    session.open_access = take_open_access(connector, started_at)
    if session.open_access is not None:
        # Whoever it is: the place is open to everybody. Whose card it is, is only noted.
        session.token = find_token(session.id_tag)
        session.driver = session.token and session.token.driver
        _freeze_terms(session, started_at)
        session.save()
        return _answer(session)
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
        _refuse(session, refusal)
    _freeze_terms(session, started_at)
    if admission is not None and not session.review_reason:
        try:
            admission = admission.at_price_of(session)
            session.spend_limit = admission.spend_limit
        except Refused as refusal:
            _refuse(session, refusal)
    session.save()
    if admission is not None and admission.is_preauthorised and not session.review_reason:
        # The vehicle charges already; the bank is asked beside it, never by the station's message.
        ask_for_hold(session, now=received_at)
    if admission is not None and admission.wallet_hold and not session.review_reason:
        try:
            reserve_in_wallet(session, admission.wallet_hold, now=received_at)
        except Refused as refusal:
            # Another session took the money between the look and the hold; this start is a fact all the same.
            _refuse(session, refusal)
            session.save(update_fields=["review_reason", "review_note"])
    return _answer(session)


def take_open_access(connector: Connector | None, at: datetime) -> OpenAccess | None:
    """The open access a session that begins now is free by, if it is.

    Locks: the OpenAccess row where its sessions of a day are counted, so that the last free place goes once.
    """
    grant = None if connector is None else open_access_at(connector, at)
    if connector is None or grant is None or grant.max_sessions_per_day is None:
        return grant
    locked = lock_row(OpenAccess.objects.filter(pk=grant.pk))
    return None if is_full(locked, at, connector.charge_point.location.time_zone) else locked


def lock_card_holder(id_tag: str) -> None:
    """A start and a change of contract go one after the other. Locks: the Driver the card belongs to, if anybody's."""
    token = find_token(id_tag)
    if token is not None:
        lock_row(Driver.objects.filter(pk=token.driver_id), is_shareable=True)


def _refuse(session: ChargingSession, refusal: Refused) -> None:
    session.review_reason, session.review_note = refusal.code, str(refusal.message)


def _lock_connector(key: dict[str, Any]) -> Connector | None:
    """The connector, locked: of two starts there, and of a start and a request, one goes first."""
    rows = lock_rows(
        Connector.objects.filter(charge_point_id=key["charge_point_id"], number=key["connector_number"]).select_related(
            "charge_point__location"
        )
    )
    return rows[0] if rows else None


def _take_over_request(
    connector: Connector | None, id_tag: str, *, started_at: datetime, request_id: int | None
) -> ChargingSession | None:
    """The request this start answers: the one it names, the same tag's, or that of the driver whose card this is.

    Another session open on the connector never got its stop and ends in review; one whose vehicle had only not left
    yet ends when it stopped charging, because nobody reported how long it stood. A session that began after this
    start goes on: this one is told late.
    """
    if connector is None:
        return None
    still_open = lock_rows(
        ChargingSession.objects.filter(connector=connector, status__in=["requested", "active", "finishing"])
    )
    request: ChargingSession | None = None
    for session in still_open:
        if session.started_at is not None and session.started_at > started_at:
            continue
        if session.status == ChargingSession.Status.FINISHING:
            end_session(session, at=session.stopped_at)
        elif session.status == ChargingSession.Status.ACTIVE:
            end_session(session, at=None, doubt="no_stop_report")
        elif request_id == session.pk or (
            request_id is None
            and (session.id_tag.casefold() == id_tag.casefold() or _is_card_of(session.driver_id, id_tag))
        ):
            request = session
    return request


def _is_card_of(driver_id: int | None, id_tag: str) -> bool:
    token = find_token(id_tag)
    return token is not None and token.driver_id == driver_id and token.status == Token.Status.ACTIVE


def _freeze_terms(session: ChargingSession, at: datetime) -> None:
    if session.connector is None:
        session.review_reason = session.review_reason or "unknown_connector"
        return
    try:
        terms = terms_for(connector=session.connector, contract=session.contract, channel=session.channel, at=at)
    except Refused as refusal:
        if not session.review_reason:
            _refuse(session, refusal)
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
