"""Writing a posting plan: one statement on PostgreSQL, a few multi-row ones elsewhere. Nothing decides here."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Round

from billing.domain.plan import PostingPlan
from billing.models import LedgerAccount, LedgerEntry, LedgerTransaction
from billing.services.prepared import as_json, fetch_prepared
from common import clock
from common.money import MONEY_PLACES

# One JSON document carries the whole plan. The transaction, its entries and the owners' new tips are data-modifying
# CTEs; a key that is taken inserts no transaction, and as everything hangs from that row, nothing is written then.
# Settlement puts its own CTEs behind these.
POSTING_CTES = """
plan AS MATERIALIZED (SELECT %s::jsonb AS doc), tx AS (
    INSERT INTO billing_ledgertransaction
        (idempotency_key, content_hash, event, currency, occurred_at, recorded_at, reference, note)
    SELECT t.* FROM plan, jsonb_to_record(doc -> 'transaction') AS t(
        idempotency_key text, content_hash text, event text, currency text, occurred_at timestamptz,
        recorded_at timestamptz, reference text, note text
    )
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id
), entries AS (
    INSERT INTO billing_ledgerentry
        (transaction_id, account_id, side, amount, sequence, balance_after, previous_hash, hash)
    SELECT tx.id, entry.* FROM tx, plan, jsonb_to_recordset(doc -> 'entries') AS entry(
        account_id bigint, side text, amount numeric, sequence int, balance_after numeric, previous_hash text, hash text
    )
), moved AS (
    UPDATE billing_ledgeraccount AS account
    SET posted = tip.posted, entry_count = tip.count, last_hash = tip.hash, pending = account.pending - tip.released
    FROM tx, plan, jsonb_to_recordset(doc -> 'tips') AS tip(
        id bigint, posted numeric, count int, hash text, released numeric
    )
    WHERE account.id = tip.id
)"""
_WRITE = f"WITH {POSTING_CTES} SELECT id FROM tx"  # noqa: S608 (constants only)


def write_posting(plan: PostingPlan) -> LedgerTransaction | None:
    """Write the plan; its transaction, or None when its key is taken and nothing was written.

    Must run in the transaction that locked the accounts the plan was made from.
    """
    transaction = LedgerTransaction(
        idempotency_key=plan.idempotency_key,
        content_hash=plan.content_hash,
        event=plan.event,
        currency=plan.currency,
        occurred_at=plan.occurred_at,
        recorded_at=clock.now(),
        reference=plan.reference,
        note=plan.note,
    )
    if connection.vendor == "postgresql":
        row = fetch_prepared(_WRITE, as_json(posting_document(plan, transaction.recorded_at)))
        if row is None:
            return None
        transaction.pk = row[0]
        # It is in the database already: saving it again is an update, which the guards refuse.
        transaction._state.adding, transaction._state.db = False, connection.alias
        return transaction
    return _write_rows(plan, transaction)


def posting_document(plan: PostingPlan, recorded_at: datetime) -> dict[str, Any]:
    """The plan as POSTING_CTES read it."""
    return {
        "transaction": {
            "idempotency_key": plan.idempotency_key,
            "content_hash": plan.content_hash,
            "event": plan.event,
            "currency": plan.currency,
            "occurred_at": plan.occurred_at,
            "recorded_at": recorded_at,
            "reference": plan.reference,
            "note": plan.note,
        },
        "entries": [
            {
                "account_id": entry.account_id,
                "side": entry.side,
                "amount": entry.amount,
                "sequence": entry.link.sequence if entry.link else None,
                "balance_after": entry.link.balance_after if entry.link else None,
                "previous_hash": entry.link.previous_hash if entry.link else "",
                "hash": entry.link.hash if entry.link else "",
            }
            for entry in plan.entries
        ],
        "tips": [
            {
                "id": account_id,
                "posted": tip.balance,
                "count": tip.count,
                "hash": tip.hash,
                "released": plan.released.get(account_id, Decimal(0)),
            }
            for account_id, tip in plan.tips.items()
        ],
    }


def _write_rows(plan: PostingPlan, transaction: LedgerTransaction) -> LedgerTransaction | None:
    if LedgerTransaction.objects.filter(idempotency_key=plan.idempotency_key).exists():
        return None
    transaction.save(force_insert=True)
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
            # Rounded, because SQLite subtracts doubles.
            pending=Round(F("pending") - plan.released.get(account_id, Decimal(0)), precision=MONEY_PLACES),
        )
    return transaction
