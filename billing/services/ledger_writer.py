"""Writing a posting plan: one statement on PostgreSQL, a few multi-row ones elsewhere. Nothing decides here."""

from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F

from billing.domain.plan import PostingPlan
from billing.models import LedgerAccount, LedgerEntry, LedgerTransaction
from common import clock

# The transaction, its entries and the owners' new tips as data-modifying CTEs. A key that is taken inserts no
# transaction, and everything else hangs from that row, so nothing is written then. Settlement builds on these.
POSTING_CTES = """
tx AS (
    INSERT INTO billing_ledgertransaction
        (idempotency_key, content_hash, event, currency, occurred_at, recorded_at, reference, note)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id
), entries AS (
    INSERT INTO billing_ledgerentry
        (transaction_id, account_id, side, amount, sequence, balance_after, previous_hash, hash)
    SELECT tx.id, e.* FROM tx, unnest(
        %s::bigint[], %s::text[], %s::numeric[], %s::int[], %s::numeric[], %s::text[], %s::text[]
    ) AS e
), moved AS (
    UPDATE billing_ledgeraccount AS account
    SET posted = t.posted, entry_count = t.count, last_hash = t.hash, pending = account.pending - t.released
    FROM tx, unnest(%s::bigint[], %s::numeric[], %s::int[], %s::text[], %s::numeric[])
        AS t(id, posted, count, hash, released)
    WHERE account.id = t.id
)"""
_WRITE = f"WITH {POSTING_CTES} SELECT id FROM tx"  # noqa: S608 (constants only)


def write_posting(plan: PostingPlan) -> int | None:
    """Write the plan; its transaction's id, or None when its key is taken and nothing was written.

    Must run in the transaction that locked the accounts the plan was made from.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_WRITE, posting_parameters(plan))
            row = cursor.fetchone()
        return int(row[0]) if row else None
    return _write_rows(plan)


def posting_parameters(plan: PostingPlan) -> list[Any]:
    """Parameters of POSTING_CTES, in order."""
    links = [entry.link for entry in plan.entries]
    return [
        plan.idempotency_key,
        plan.content_hash,
        plan.event,
        plan.currency,
        plan.occurred_at,
        clock.now(),
        plan.reference,
        plan.note,
        [entry.account_id for entry in plan.entries],
        [entry.side for entry in plan.entries],
        [entry.amount for entry in plan.entries],
        [link.sequence if link else None for link in links],
        [link.balance_after if link else None for link in links],
        [link.previous_hash if link else "" for link in links],
        [link.hash if link else "" for link in links],
        list(plan.tips),
        [tip.balance for tip in plan.tips.values()],
        [tip.count for tip in plan.tips.values()],
        [tip.hash for tip in plan.tips.values()],
        [plan.released.get(account_id, Decimal(0)) for account_id in plan.tips],
    ]


def _write_rows(plan: PostingPlan) -> int | None:
    if LedgerTransaction.objects.filter(idempotency_key=plan.idempotency_key).exists():
        return None
    transaction = LedgerTransaction.objects.create(
        idempotency_key=plan.idempotency_key,
        content_hash=plan.content_hash,
        event=plan.event,
        currency=plan.currency,
        occurred_at=plan.occurred_at,
        reference=plan.reference,
        note=plan.note,
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            transaction=transaction,
            account_id=entry.account_id,
            side=entry.side,
            amount=entry.amount,
            sequence=entry.link.sequence if entry.link else None,
            balance_after=entry.link.balance_after if entry.link else None,
            previous_hash=entry.link.previous_hash if entry.link else "",
            hash=entry.link.hash if entry.link else "",
        )
        for entry in plan.entries
    )
    for account_id, tip in plan.tips.items():
        LedgerAccount.objects.filter(pk=account_id).update(
            posted=tip.balance,
            entry_count=tip.count,
            last_hash=tip.hash,
            pending=F("pending") - plan.released.get(account_id, Decimal(0)),
        )
    return transaction.pk
