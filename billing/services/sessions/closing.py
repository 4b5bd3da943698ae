"""The one way a session ends."""

from datetime import datetime

from django.utils.translation import gettext as _
from django_q.tasks import async_task

from billing.models import ChargingSession, MeterValue
from common.states import check_step

Status = ChargingSession.Status
Outcome = ChargingSession.Outcome

# The doubt about a session whose end nobody reported.
NO_STOP = "no_stop_report"


def end_session(session: ChargingSession, *, at: datetime | None, doubt: str = "") -> None:
    """End a locked session at `at` (None: at its last meter value) and hand it to settlement, or park it.

    A session with a doubt, old or new, waits in review: it is neither billed nor lost, and its hold stays until it
    expires. The settlement task is queued in the caller's transaction, so it exists exactly when the end does.
    """
    if not check_step(ChargingSession.TRANSITIONS, session.status, Status.ENDED):
        return
    session.status = Status.ENDED
    session.ended_at = at or _last_seen_at(session)
    session.stopped_at = session.stopped_at or session.ended_at
    add_doubt(session, doubt)
    if session.review_reason:
        session.outcome = Outcome.IN_REVIEW
    session.save()
    if session.outcome != Outcome.IN_REVIEW:
        async_task("billing.tasks.settle_session", session.pk)


def reopen_for_settlement(session: ChargingSession) -> None:
    """The stop a locked session in review was waiting for has come: settle it, unless something else is in doubt."""
    session.ended_at = session.stopped_at
    if session.review_reason == NO_STOP and not session.review_note:
        session.review_reason = ""
        session.outcome = Outcome.PENDING
    session.save()
    if session.outcome == Outcome.PENDING:
        async_task("billing.tasks.settle_session", session.pk)


def add_doubt(session: ChargingSession, reason: str, note: str = "") -> None:
    """Note why an operator must look. The first reason stays; later ones are added to the note."""
    if not reason:
        return
    if not session.review_reason:
        session.review_reason, session.review_note = reason, note
    elif reason != session.review_reason:
        also = _("Also: %(reason)s") % {"reason": reason}
        session.review_note = "\n".join(part for part in (session.review_note, also, note) if part)


def _last_seen_at(session: ChargingSession) -> datetime:
    last = (
        MeterValue.objects.filter(charging_session=session, measurand=MeterValue.Measurand.ENERGY)
        .order_by("-occurred_at")
        .first()
    )
    moments = [moment for moment in (session.started_at, session.stopped_at, last and last.occurred_at) if moment]
    return max(moments)
