"""A driver's sessions: what runs now, what ran before."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from billing.models import ChargingSession
from billing.selectors.corrections import with_final_price
from common import clock

OPEN = (ChargingSession.Status.REQUESTED, ChargingSession.Status.ACTIVE, ChargingSession.Status.FINISHING)
UNPAID = (ChargingSession.PaymentStatus.DUE, ChargingSession.PaymentStatus.PARTIALLY_PAID)


@dataclass(frozen=True)
class LiveSession:
    """A session as it stands at one moment. `state` changes whenever the page around the figures has to change."""

    session: ChargingSession
    seconds: int | None
    state: str

    @property
    def is_open(self) -> bool:
        return self.session.status in OPEN

    @property
    def is_settling(self) -> bool:
        """Ended, and its price or its payment is still on its way."""
        session = self.session
        is_unsettled = session.outcome == ChargingSession.Outcome.PENDING or session.payment_status in UNPAID
        return session.status == ChargingSession.Status.ENDED and is_unsettled


def sessions_of(driver_id: int) -> QuerySet[ChargingSession]:
    """The driver's sessions, newest first, with place, Cdr and final price. Requests that never became a session are
    left out."""
    return (
        with_final_price(ChargingSession.objects.filter(driver_id=driver_id))
        .exclude(status=ChargingSession.Status.CANCELLED)
        .select_related("charge_point__location", "connector", "cdr")
        .order_by("-pk")
    )


def open_sessions_of(driver_id: int) -> list[LiveSession]:
    now = clock.now()
    return [live(session, now) for session in sessions_of(driver_id).filter(status__in=OPEN)]


def search_sessions(
    sessions: QuerySet[ChargingSession], *, words: str, since: datetime | None, until: datetime | None
) -> QuerySet[ChargingSession]:
    """Narrow to places that hold all `words` and to starts in [since, until)."""
    for word in words.split():
        sessions = sessions.filter(
            Q(charge_point__location__name__icontains=word)
            | Q(charge_point__location__city__icontains=word)
            | Q(charge_point__location__address__icontains=word)
            | Q(charge_point__identity__icontains=word)
        )
    if since is not None:
        sessions = sessions.filter(started_at__gte=since)
    if until is not None:
        sessions = sessions.filter(started_at__lt=until)
    return sessions


def session_of(driver_id: int, public_id: UUID) -> ChargingSession:
    """One session of this driver. Raises ChargingSession.DoesNotExist for anybody else's, as for none."""
    return (
        ChargingSession.objects.select_related("charge_point__location", "connector", "cdr", "contract__contract_type")
        .select_related("tariff_version__tariff")
        .get(driver_id=driver_id, public_id=public_id)
    )


def live_session_for_user(user_id: int, public_id: UUID) -> LiveSession | None:
    """The session as it is in the database now, if this login is its driver's."""
    session = (
        ChargingSession.objects.filter(driver__user_id=user_id, driver__user__is_active=True, public_id=public_id)
        .select_related("charge_point__location", "connector")
        .first()
    )
    return None if session is None else live(session, clock.now())


def live(session: ChargingSession, now: datetime) -> LiveSession:
    seconds: int | None = None
    if session.started_at is not None:
        seconds = max((session.stopped_at or session.ended_at or now) - session.started_at, timedelta(0)) // timedelta(
            seconds=1
        )
    state = f"{session.status}-{session.outcome}-{session.payment_status}-{session.stop_requested_at is not None}"
    return LiveSession(session=session, seconds=seconds, state=state)
