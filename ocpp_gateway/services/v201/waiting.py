"""Events that wait for others which never come."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError

from common.errors import VoltledgerError
from ocpp_gateway.services.remote import ask_to_stop
from ocpp_gateway.services.v201.transactions import overdue_transactions, tell_overdue

logger = logging.getLogger(__name__)


def tell_waiting_events(*, now: datetime) -> list[UUID]:
    """Tell billing what has waited long enough; the public ids of the sessions that changed.

    Each transaction by itself; one that cannot be told stops no other and is tried again. Safe to repeat and beside
    other processes. One query while nothing waits.
    """
    changed: list[UUID] = []
    for pk in overdue_transactions(now=now):
        try:
            told = tell_overdue(transaction_pk=pk, now=now)
        except (VoltledgerError, DatabaseError):
            logger.exception("The waiting events of transaction %d cannot be told yet", pk)
            continue
        if told.session is not None:
            changed.append(told.session.public_id)
            if told.stop and not told.has_ended:
                ask_to_stop(session_id=told.session.pk, charge_point_id=told.session.charge_point_id)
    return changed
