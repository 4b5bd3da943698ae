"""The one function through which anything is posted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Never

from django.db import transaction

from billing.domain.plan import AccountState, PostingPlan, plan_posting
from billing.domain.postings import Posting, check_balanced
from billing.errors import InsufficientFunds
from billing.models import LedgerTransaction
from billing.services.accounts import lock_accounts
from billing.services.ledger_writer import write_posting
from common.errors import IdempotencyConflict


@transaction.atomic
def post(
    *,
    idempotency_key: str,
    event: str,
    occurred_at: datetime,
    currency: str,
    postings: Sequence[Posting],
    reference: str = "",
    note: str = "",
) -> LedgerTransaction:
    """Post one business event: balanced `postings` in one `currency`, each entry of an owner chained to the one before.

    Idempotent: the same key with the same event, currency, reference and postings returns the stored transaction, later
    moment or other note notwithstanding; other content raises IdempotencyConflict.
    Locks: the owners' LedgerAccount rows by primary key, after every other lock of the caller (docs/locking.md).
    Raises Unbalanced, InsufficientFunds (a wallet below its reserved money and overdraft), IdempotencyConflict.
    """
    check_balanced(postings, currency)
    accounts = lock_accounts(posting.account for posting in postings)
    plan = plan_posting(
        idempotency_key=idempotency_key,
        event=event,
        occurred_at=occurred_at,
        currency=currency,
        postings=postings,
        accounts=accounts,
        reference=reference,
        note=note,
    )
    if _overdraws(plan, accounts):
        # What was posted before stays posted, even when the wallet could not pay it again.
        stored = _stored_transaction(plan)
        if stored is None:
            raise InsufficientFunds
        return stored
    posted = write_posting(plan)
    return posted or _stored_transaction(plan) or _lost(plan)


def _stored_transaction(plan: PostingPlan) -> LedgerTransaction | None:
    """What was posted under the plan's key before, if anything. Raises IdempotencyConflict for other content."""
    stored = LedgerTransaction.objects.filter(idempotency_key=plan.idempotency_key).first()
    if stored is not None and stored.content_hash != plan.content_hash:
        raise IdempotencyConflict
    return stored


def _lost(plan: PostingPlan) -> Never:
    raise LookupError(f"{plan.idempotency_key} was neither written nor stored")


def _overdraws(plan: PostingPlan, accounts: Mapping[str, AccountState]) -> bool:
    """True when the plan takes a wallet below its reserved money, overdraft included."""
    return any(
        plan.tips[state.id].balance - state.pending + state.overdraft < 0
        for key, state in accounts.items()
        if key.startswith("wallet:")
    )
