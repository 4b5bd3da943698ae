"""An ended session becomes a Cdr, rated and posted; or is free by a rule; or is parked for an operator."""

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django_q.tasks import async_task

from billing.domain.plan import PostingPlan
from billing.domain.settlement import Bill, Facts, Free, FreeRules, Review, decide
from billing.models import Cdr, ChargingSession
from billing.services import settlement_portable, settlement_postgresql
from billing.services.accounts import lock_accounts
from billing.services.holds import release_session_holds
from billing.services.settlement_rows import BillRows, rows_of
from common import clock
from common.errors import VoltledgerError

log = logging.getLogger(__name__)

# A settlement that is queued or running right now is left to finish.
PATIENCE = timedelta(minutes=1)

Outcome = ChargingSession.Outcome


def settle_session(*, session_id: int) -> Cdr | None:
    """Settle an ended session; its Cdr, or None when it is free, in review, discarded or not over yet.

    One transaction: Cdr and cost lines, funding legs, wallet lots, holds, the posting, the session's outcome, and a
    queued `collect_leg` per card leg, so that each exists exactly when the others do.
    Idempotent: a session that is settled already is left as it is.
    Locks: the ChargingSession, then the driver's LedgerAccounts. Raises ChargingSession.DoesNotExist.
    """
    cdr_id = settle(session_id)
    if cdr_id is None:
        return Cdr.objects.filter(charging_session_id=session_id).first()
    return Cdr.objects.get(pk=cdr_id)


@transaction.atomic
def settle(session_id: int) -> int | None:
    """The same, answering with the id of the Cdr it wrote: None when it wrote none."""
    store = _store()
    facts = store.read_facts(session_id)
    if facts is None:
        return None
    verdict = decide(facts, _free_rules())
    if not isinstance(verdict, Bill):
        _close_unbilled(facts, verdict)
        return None
    if facts.holds and not verdict.drawn:
        release_session_holds(session_id=session_id)
    missing = verdict.missing_accounts()
    plan = verdict.posting_plan(lock_accounts(missing) if missing else {})
    cdr_id, card_legs = store.write_bill(rows_of(verdict, clock.now()), plan)
    for leg_id in card_legs:
        async_task("billing.tasks.collect_leg", leg_id)
    return cdr_id


def settle_overdue(*, now: datetime) -> int:
    """Settle ended sessions whose task was lost, oldest first; how many were due. Safe to repeat.

    One that cannot be settled stops no other: it stays unsettled, is logged here and named by `verify_books`.
    """
    overdue = ChargingSession.objects.filter(
        status=ChargingSession.Status.ENDED, outcome=Outcome.PENDING, ended_at__lte=now - PATIENCE
    )
    session_ids = list(overdue.order_by("ended_at").values_list("pk", flat=True))
    for session_id in session_ids:
        try:
            settle(session_id)
        except (VoltledgerError, DatabaseError):
            log.exception("session %s cannot be settled", session_id)
    return len(session_ids)


def _close_unbilled(facts: Facts, verdict: Free | Review) -> None:
    """Free, and what was reserved is given back; or parked with its reason, and it keeps what it reserved."""
    session = ChargingSession.objects.filter(pk=facts.session_id)
    if isinstance(verdict, Free):
        release_session_holds(session_id=facts.session_id)
        session.update(outcome=Outcome.FREE, free_rule=verdict.rule)
    elif verdict.reason == facts.review_reason:
        session.update(outcome=Outcome.IN_REVIEW)
    else:
        session.update(outcome=Outcome.IN_REVIEW, review_reason=verdict.reason, review_note=verdict.note)


class _Store(Protocol):
    """How a database is read and written; what is decided in between is the same for all."""

    def read_facts(self, session_id: int) -> Facts | None: ...

    def write_bill(self, rows: BillRows, plan: PostingPlan | None) -> tuple[int, list[int]]: ...


def _store() -> _Store:
    return settlement_postgresql if connection.vendor == "postgresql" else settlement_portable


def _free_rules() -> FreeRules:
    return FreeRules(
        settings.SESSION_FREE_BELOW_SECONDS,
        Decimal(settings.SESSION_FREE_BELOW_WH),
        settings.SESSION_FREE_STAY_SECONDS,
    )
