"""Two sessions of one stay become one: a charge point that lost power or its memory reports the second half anew."""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from accounts.services import audit
from billing.errors import NotOneStay
from billing.models import ChargingSession, MeterValue
from billing.services.holds import release_session_holds
from common.locking import lock_rows

Outcome = ChargingSession.Outcome

# A vehicle that is still there after a power cut charges on within this time.
LONGEST_GAP = timedelta(hours=24)


def other_halves(session: ChargingSession) -> QuerySet[ChargingSession]:
    """Sessions in review that may be the rest of this one, earliest first: same connector, shortly before or after."""
    if session.started_at is None or session.ended_at is None or session.connector_id is None:
        return ChargingSession.objects.none()
    return (
        ChargingSession.objects.filter(connector_id=session.connector_id, outcome=Outcome.IN_REVIEW)
        .filter(ended_at__gte=session.started_at - LONGEST_GAP, started_at__lte=session.ended_at + LONGEST_GAP)
        .exclude(pk=session.pk)
        .order_by("started_at")
    )


@transaction.atomic
def merge_sessions(*, session_ids: tuple[int, int], actor_id: int, reason: str) -> ChargingSession:
    """Make the later of two sessions in review part of the earlier one, which stays in review; the merged session.

    It lasts from the first start to the second end, by the registers and meter values of both, at the price and for
    the customer of its start. The later one is closed for good, names the one it went into and gives back what it
    reserved. A repeat is a no-op. Locks: both sessions' rows, then the wallet account. Raises NotOneStay.
    """
    rows = lock_rows(ChargingSession.objects.filter(pk__in=session_ids, started_at__isnull=False))
    if len(rows) != len(set(session_ids)) or len(rows) != 2:
        raise NotOneStay
    first, second = sorted(rows, key=lambda session: (session.started_at, session.pk))
    if second.merged_into_id == first.pk:
        return first
    if not _is_one_stay(first, second):
        raise NotOneStay
    _copy_meter_values(second, first)
    for name in ("stopped_at", "ended_at", "stop_reason", "stop_reported_at", "meter_stop_reported_wh"):
        setattr(first, name, getattr(second, name))
    # Without a final register it is the last good one, as for every session whose stop is missing.
    first.meter_stop_wh = second.meter_stop_wh
    if first.meter_start_wh is not None and second.meter_start_wh is not None:
        first.energy_wh = second.meter_start_wh + second.energy_wh - first.meter_start_wh
    first.token, first.driver = first.token or second.token, first.driver or second.driver
    first.review_note = "\n".join(part for part in (first.review_note, f"#{second.pk}: {reason}") if part)
    first.save()
    second.outcome, second.merged_into = Outcome.DISCARDED, first
    second.save()
    release_session_holds(session_id=second.pk)
    for session, other in ((first, second), (second, first)):
        audit.record(
            actor_id=actor_id, action="sessions_merged", subject=session, reason=reason, data={"with": other.pk}
        )
    return first


def _is_one_stay(first: ChargingSession, second: ChargingSession) -> bool:
    """Time and register of the second go on where the first one's end."""
    if first.ended_at is None or second.started_at is None or first.connector_id is None:
        return False
    if first.meter_start_wh is None or second.meter_start_wh is None:
        return False
    return (
        first.outcome == second.outcome == Outcome.IN_REVIEW
        and first.connector_id == second.connector_id
        and (first.driver_id == second.driver_id or None in (first.driver_id, second.driver_id))
        and first.ended_at <= second.started_at <= first.ended_at + LONGEST_GAP
        and first.meter_start_wh + first.energy_wh <= second.meter_start_wh
    )


def _copy_meter_values(source: ChargingSession, target: ChargingSession) -> None:
    """What was measured stays with the session that measured it; a copy goes to the one that bills it."""
    names = ("occurred_at", "reported_at", "received_at", "measurand", "phase", "context", "value")
    MeterValue.objects.bulk_create(
        [
            MeterValue(charging_session=target, **values)
            for values in source.meter_values.order_by("pk").values(*names).iterator()
        ],
        batch_size=2000,
        ignore_conflicts=True,
    )
