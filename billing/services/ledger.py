"""The one function through which anything is posted."""

from collections.abc import Mapping, Sequence
from datetime import datetime

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
    stored = stored_transaction(plan)
    if stored is not None:
        return stored
    refuse_overdraft(postings, plan, accounts)
    transaction_id = write_posting(plan)
    if transaction_id is None:
        # Somebody posted this key to other accounts at the same moment; either it was the same content or it was not.
        stored = stored_transaction(plan)
        if stored is None:
            raise IdempotencyConflict
        return stored
    return LedgerTransaction.objects.get(pk=transaction_id)


def stored_transaction(plan: PostingPlan) -> LedgerTransaction | None:
    """What was posted under the plan's key before, if anything. Raises IdempotencyConflict for other content."""
    stored = LedgerTransaction.objects.filter(idempotency_key=plan.idempotency_key).first()
    if stored is not None and stored.content_hash != plan.content_hash:
        raise IdempotencyConflict
    return stored


def refuse_overdraft(postings: Sequence[Posting], plan: PostingPlan, accounts: Mapping[str, AccountState]) -> None:
    """Raises InsufficientFunds when the plan takes a wallet below its reserved money, overdraft included."""
    for account in {posting.account for posting in postings if posting.account.code == "wallet"}:
        state = accounts[account.key]
        if plan.tips[state.id].balance - state.pending + state.overdraft < 0:
            raise InsufficientFunds
