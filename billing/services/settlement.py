"""An ended session becomes a Cdr, rated and posted; or is free by a rule; or is parked for an operator."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django_q.tasks import async_task

from billing.domain.plan import PostingPlan
from billing.domain.settlement import Bill, Facts, Free, FreeRules, Review, decide
from billing.domain.settlement_group import decide_together
from billing.models import Cdr, ChargingSession
from billing.services import settlement_portable, settlement_postgresql
from billing.services.accounts import lock_accounts
from billing.services.hold_releases import release_card_holds
from billing.services.holds import release_session_holds
from billing.services.settlement_rows import BillRows, rows_of
from common import clock

log = logging.getLogger(__name__)

# A settlement that is queued or running right now is left to finish.
PATIENCE = timedelta(minutes=1)
# So many sessions share a transaction at most: more would save little, and keep their drivers' accounts locked longer.
GROUP = 32

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
    group = store.read_facts([session_id])
    if not group:
        ChargingSession.objects.only("pk").get(pk=session_id)
        return None
    (facts,) = group
    verdict = decide(facts, _free_rules())
    if not isinstance(verdict, Bill):
        _close_unbilled(facts, verdict)
        return None
    if facts.holds and not verdict.drawn:
        release_session_holds(session_id=session_id)
    missing = verdict.missing_accounts()
    plan = verdict.posting_plan(lock_accounts(missing) if missing else {})
    (cdr_id,) = _write(store, [(verdict, plan)])
    return cdr_id


def settle_with_others(*, session_id: int) -> None:
    """Settle an ended session, and in the same transaction others that wait as well: after a burst one task does the
    work of many, and the others find it done.

    Idempotent. Locks and raises as `settle_session`; what is wrong with another session is its own task's to raise.
    """
    waiting = _waiting().filter(ended_at__gte=clock.now() - PATIENCE).order_by("-ended_at")
    if session_id not in _settle_together(waiting[:GROUP]):
        settle(session_id)


def settle_overdue(*, now: datetime) -> int:
    """Settle ended sessions whose task was lost, oldest first; how many were due. Safe to repeat.

    One that cannot be settled stops no other: it stays unsettled, is logged here and named by `verify_books`.
    """
    overdue = _waiting().filter(ended_at__lte=now - PATIENCE).order_by("ended_at")
    session_ids = list(overdue.values_list("pk", flat=True))
    for start in range(0, len(session_ids), GROUP):
        settle_these(session_ids[start : start + GROUP])
    return len(session_ids)


def settle_these(session_ids: Iterable[int]) -> set[int]:
    """Settle, of these ended sessions, those that wait and that nobody else is settling; the ids of what is settled.

    What is wrong with one of them is logged and stops no other. Locks: as `_settle_together`.
    """
    return _settle_together(_waiting().filter(pk__in=session_ids))


def _waiting() -> QuerySet[ChargingSession]:
    return ChargingSession.objects.filter(status=ChargingSession.Status.ENDED, outcome=Outcome.PENDING)


def _settle_together(waiting: QuerySet[ChargingSession]) -> set[int]:
    """Settle those of `waiting` that nobody else is settling; the ids of those that are settled now.

    What is simply billed is written at once, which costs a fraction of as many single transactions. The others, and all
    of them where the one transaction fails, are settled each on its own, so one bad session stops no other.
    Locks: the ChargingSessions that are not locked already, then their drivers' LedgerAccounts.
    """
    claimed: list[int] = []
    try:
        apart = _bill_together(waiting, claimed)
    except Exception:  # whatever it is: it is one session's, and shows again when that one is settled alone
        log.warning("sessions %s cannot be settled together", claimed, exc_info=True)
        apart = claimed
    failed = set()
    for session_id in apart:
        try:
            settle(session_id)
        except Exception:  # logged, named by verify_books, and no reason to leave the others unbilled
            log.exception("session %s cannot be settled", session_id)
            failed.add(session_id)
    return set(claimed) - failed


@transaction.atomic
def _bill_together(waiting: QuerySet[ChargingSession], claimed: list[int]) -> list[int]:
    """Bill what is simply billed, in one transaction; the ids of the others. `claimed` is told all of them."""
    free = waiting.select_for_update(skip_locked=True, no_key=True)
    claimed += free.values_list("pk", flat=True)
    if not claimed:
        return []
    store = _store()
    together = decide_together(store.read_facts(sorted(claimed)), _free_rules())
    if together.bills:
        _write(store, together.bills)
    return together.apart


def _write(store: "_Store", bills: Sequence[tuple[Bill, PostingPlan | None]]) -> list[int]:
    """Write bills and queue a task for each of their card legs; the Cdrs' ids."""
    moment = clock.now()
    cdr_ids, card_legs = store.write_bills([(rows_of(bill, moment), plan) for bill, plan in bills])
    for leg_id in card_legs:
        async_task("billing.tasks.collect_leg", leg_id)
    for bill, _plan in bills:
        if bill.facts.held_on_card is not None and not bill.needs_card:
            release_card_holds(session_id=bill.facts.session_id)
    return cdr_ids


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

    def read_facts(self, session_ids: Sequence[int]) -> list[Facts]: ...

    def write_bills(self, bills: Sequence[tuple[BillRows, PostingPlan | None]]) -> tuple[list[int], list[int]]: ...


def _store() -> _Store:
    return settlement_postgresql if connection.vendor == "postgresql" else settlement_portable


def _free_rules() -> FreeRules:
    return FreeRules(
        settings.SESSION_FREE_BELOW_SECONDS,
        Decimal(settings.SESSION_FREE_BELOW_WH),
        settings.SESSION_FREE_STAY_SECONDS,
    )
