"""Telling charge points what was decided about their sessions elsewhere. The gateway looks by itself, every second.

What billing decides stands in the session's own rows: a request whose amount the bank now holds is to start, a running
session that is to end and whose station was never asked is to stop. So nothing is lost with a task or a signal, and
whichever process looks first asks.
"""

import logging
from datetime import datetime

from django.db import DatabaseError
from django.db.models import Exists, OuterRef, QuerySet

from billing.models import ChargingSession, Hold
from common.errors import VoltledgerError
from ocpp_gateway.domain.command_sets import STOP_ACTIONS
from ocpp_gateway.models import Command
from ocpp_gateway.services.remote import follow_decision

log = logging.getLogger(__name__)

Status = ChargingSession.Status


def follow_decisions(*, now: datetime) -> int:
    """Ask the charge points of all sessions that are to start or to stop and of which none was asked; their number.

    One query while there is nothing to do. Safe to repeat and beside other processes. Locks: each session's row.
    """
    found = _to_start(now).values("pk").order_by().union(_to_stop().values("pk").order_by())
    return sum(_follow(row["pk"]) for row in list(found))


def _follow(session_id: int) -> bool:
    """One session that cannot be helped stops no other."""
    try:
        return follow_decision(session_id=session_id) is not None
    except (VoltledgerError, DatabaseError):
        log.exception("session %s: its charge point could not be asked", session_id)
        return False


def _to_start(now: datetime) -> QuerySet[ChargingSession]:
    """Requests that waited for the bank, and wait no longer; any command of theirs is the start."""
    on_card = Hold.objects.filter(charging_session=OuterRef("pk"), source=Hold.Source.CARD)
    return ChargingSession.objects.filter(
        Exists(on_card.filter(status=Hold.Status.ACTIVE)),
        ~Exists(Command.objects.filter(charging_session=OuterRef("pk"))),
        status=Status.REQUESTED,
        start_deadline_at__gt=now,
    )


def _to_stop() -> QuerySet[ChargingSession]:
    """Running sessions that are to end: by a refused hold, or by whoever died before asking."""
    asked = Command.objects.filter(charging_session=OuterRef("pk"), action__in=STOP_ACTIONS)
    return ChargingSession.objects.filter(~Exists(asked), status=Status.ACTIVE, stop_requested_at__isnull=False)
