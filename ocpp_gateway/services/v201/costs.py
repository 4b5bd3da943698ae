"""What a session cost, as its station is told."""

import logging
from decimal import Decimal

from django.db import DatabaseError

from billing.models import Cdr, ChargingSession
from billing.services.settlement import settle_session
from common.errors import VoltledgerError

logger = logging.getLogger(__name__)

FREE = Decimal("0.00")
Outcome = ChargingSession.Outcome


def total_cost(*, session_id: int) -> Decimal | None:
    """What a session costs in the end, tax included; 0.00 means free; None while that is not decided.

    A session that has just ended is settled now, for its station waits for the amount; the queued settlement then finds
    nothing left to do. One that cannot be settled stays with the queue.
    """
    session = ChargingSession.objects.filter(pk=session_id, status=ChargingSession.Status.ENDED).first()
    if session is None:
        return None
    if session.outcome == Outcome.PENDING:
        try:
            settle_session(session_id=session_id)
        except (VoltledgerError, DatabaseError):
            logger.exception("session %s cannot be settled yet", session_id)
            return None
        session.refresh_from_db(fields=["outcome"])
    if session.outcome == Outcome.FREE:
        return FREE
    cdr = Cdr.objects.filter(charging_session_id=session_id).order_by("-pk").first()
    return cdr.gross if cdr is not None else None
