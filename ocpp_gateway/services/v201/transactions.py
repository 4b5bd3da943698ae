"""A station's transaction, event by event, in the order of their numbers whatever order they come in."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.models import ChargingSession
from common.locking import lock_row
from locations.models import ChargePoint
from ocpp_gateway.domain.v201.events import (
    ENDED,
    Habits,
    TransactionEvent,
    fingerprint,
    read_event,
    take_in_turn,
)
from ocpp_gateway.models import StationTransaction, TransactionReport
from ocpp_gateway.services.reports import park_report
from ocpp_gateway.services.v201.telling import Told, tell

# An event that is behind a gap waits this long for those before it; a station sends what it kept within moments.
GAP_WAIT = timedelta(minutes=2)
# Events that come after the end are kept for a person to look at.
AFTER_THE_END = "event_after_end"
ACTION = "TransactionEvent"


@transaction.atomic
def record_event(
    *, charge_point_id: int, payload: dict[str, Any], habits: Habits, received_at: datetime
) -> tuple[TransactionEvent, Told]:
    """Store a TransactionEvent and tell billing every event whose turn has come.

    The same event again changes nothing. Events in any order and number end in the same session: one behind a gap
    waits, for at most `GAP_WAIT` (`tell_overdue`). One that comes after the end was told is parked.
    Locks: the StationTransaction, then what billing locks.
    """
    event = read_event(payload, received_at=received_at, habits=habits)
    known, _ = StationTransaction.objects.get_or_create(
        charge_point_id=charge_point_id,
        transaction_id=event.transaction_id,
        defaults={"changed_at": received_at},
    )
    station_transaction = lock_row(StationTransaction.objects.filter(pk=known.pk))
    report, is_new = TransactionReport.objects.get_or_create(
        transaction=station_transaction,
        fingerprint=fingerprint(payload),
        defaults={
            "kind": event.kind,
            "seq_no": event.seq_no,
            # Numbers with a fraction are kept as text: exact.
            "payload": json.loads(json.dumps(payload, default=str)),
            "received_at": received_at,
        },
    )
    if not is_new:
        return event, Told(session=session_of(station_transaction))
    if station_transaction.ended_at is not None:
        TransactionReport.objects.filter(pk=report.pk).update(is_told=True)
        return event, _park_late(station_transaction, payload, received_at)
    told = _tell_in_turn(station_transaction, habits, now=received_at, give_up=not station_transaction.waits_for_gaps)
    return event, told


def overdue_transactions(*, now: datetime) -> list[int]:
    """Keys of the transactions with an event that has waited longer than `GAP_WAIT`."""
    return list(StationTransaction.objects.filter(waiting_since__lte=now - GAP_WAIT).values_list("pk", flat=True))


@transaction.atomic
def tell_overdue(*, transaction_pk: int, now: datetime) -> Told:
    """Tell what has waited longer than `GAP_WAIT` behind a gap. Safe to repeat. Locks: as `record_event`."""
    station_transaction = lock_row(StationTransaction.objects.filter(pk=transaction_pk))
    if station_transaction.waiting_since is None or station_transaction.waiting_since > now - GAP_WAIT:
        return Told()
    station_transaction.waits_for_gaps = False
    return _tell_in_turn(station_transaction, habits_of(station_transaction.charge_point_id), now=now, give_up=True)


def _tell_in_turn(station_transaction: StationTransaction, habits: Habits, *, now: datetime, give_up: bool) -> Told:
    waiting = list(station_transaction.reports.filter(is_told=False))
    taken = take_in_turn(waiting, told_through=station_transaction.told_through, give_up=give_up)
    told = Told(session=session_of(station_transaction))
    for report in taken:
        event = read_event(report.payload, received_at=report.received_at, habits=habits)
        if station_transaction.ended_at is not None:
            told = told.followed_by(_park_late(station_transaction, report.payload, report.received_at))
            continue
        told = told.followed_by(tell(station_transaction, event, told.session, received_at=report.received_at))
        station_transaction.told_through = max(report.seq_no, station_transaction.told_through or 0)
        if event.kind == ENDED:
            station_transaction.ended_at = event.moment.occurred_at
    TransactionReport.objects.filter(pk__in=[report.pk for report in taken]).update(is_told=True)
    left = {report.received_at for report in waiting if report not in taken}
    station_transaction.waiting_since = min(left, default=None)
    station_transaction.changed_at = now
    station_transaction.save()
    return told


def session_of(station_transaction: StationTransaction) -> ChargingSession | None:
    """The session a transaction has become."""
    return ChargingSession.objects.filter(
        charge_point_id=station_transaction.charge_point_id, station_transaction_id=station_transaction.transaction_id
    ).first()


def habits_of(charge_point_id: int) -> Habits:
    """How this charge point's clock and reader differ; quirks are listed in docs/ocpp.md."""
    charge_point = ChargePoint.objects.select_related("model").get(pk=charge_point_id)
    quirks = charge_point.model.quirks if charge_point.model is not None else {}
    return Habits(
        clock_offset=timedelta(seconds=charge_point.clock_offset_seconds),
        id_tag_separator=str(quirks.get("id_tag_separator", "")),
    )


def _park_late(station_transaction: StationTransaction, payload: dict[str, Any], received_at: datetime) -> Told:
    session = session_of(station_transaction)
    park_report(
        charge_point_id=station_transaction.charge_point_id,
        action=ACTION,
        payload=payload,
        reason=AFTER_THE_END,
        received_at=received_at,
        session_id=session.pk if session is not None else None,
    )
    return Told(session=session)


def prune_transactions(*, before: datetime) -> int:
    """Forget transactions without an event since `before`; returns how many. Their sessions stay."""
    deleted, _ = StationTransaction.objects.filter(changed_at__lt=before, waiting_since__isnull=True).delete()
    return deleted
