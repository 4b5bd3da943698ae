"""Writing a posting plan: one statement on PostgreSQL, a few multi-row ones elsewhere. Nothing decides here."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Round

from billing.domain.chain import Tip
from billing.domain.plan import PlannedEntry, PostingPlan
from billing.models import LedgerAccount, LedgerEntry, LedgerTransaction
from billing.services.prepared import as_json, fetch_prepared
from common import clock
from common.money import MONEY_PLACES

# Three JSON lists carry any number of plans: transactions, entries, tips. All rows are inserted by data-modifying CTEs
# of one statement. A key that is taken inserts no transaction; entries hang from theirs, and the owners' new tips are
# only written when every key was free. Settlement puts its own CTEs behind these, numbered by the same `n`.
POSTING_CTES = """
planned AS MATERIALIZED (
    SELECT nextval('billing_ledgertransaction_id_seq') AS id, t.* FROM json_to_recordset(%s::json) AS t(
        n int, idempotency_key text, content_hash text, event text, currency text, occurred_at timestamptz,
        recorded_at timestamptz, reference text, note text
    )
), tx AS (
    INSERT INTO billing_ledgertransaction
        (id, idempotency_key, content_hash, event, currency, occurred_at, recorded_at, reference, note)
    SELECT id, idempotency_key, content_hash, event, currency, occurred_at, recorded_at, reference, note FROM planned
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id
), entries AS (
    INSERT INTO billing_ledgerentry
        (transaction_id, account_id, side, amount, sequence, balance_after, previous_hash, hash)
    SELECT tx.id, account_id, side, amount, sequence, balance_after, previous_hash, hash
    FROM json_to_recordset(%s::json) AS entry(
        n int, seq int, account_id bigint, side text, amount numeric, sequence int, balance_after numeric,
        previous_hash text, hash text
    ) JOIN planned USING (n) JOIN tx ON tx.id = planned.id
    ORDER BY n, seq
), moved AS (
    UPDATE billing_ledgeraccount AS account
    SET posted = tip.posted, entry_count = tip.count, last_hash = tip.hash, pending = account.pending - tip.released
    FROM json_to_recordset(%s::json) AS tip(id bigint, posted numeric, count int, hash text, released numeric)
    WHERE account.id = tip.id AND (SELECT count(*) FROM tx) = (SELECT count(*) FROM planned)
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
        row = fetch_prepared(_WRITE, *posting_parameters([(1, plan)], transaction.recorded_at))
        if row is None:
            return None
        transaction.pk = row[0]
        # It is in the database already: saving it again is an update, which the guards refuse.
        transaction._state.adding, transaction._state.db = False, connection.alias
        return transaction
    return _write_rows(plan, transaction)


def posting_parameters(plans: Sequence[tuple[int, PostingPlan]], recorded_at: datetime) -> tuple[str, str, str]:
    """Numbered plans as POSTING_CTES read them. A later plan of an account goes on where the one before it ended."""
    transactions = []
    entries = []
    tips: dict[int, Tip] = {}
    released: dict[int, Decimal] = {}
    for number, plan in plans:
        transactions.append(
            {
                "n": number,
                "idempotency_key": plan.idempotency_key,
                "content_hash": plan.content_hash,
                "event": plan.event,
                "currency": plan.currency,
                "occurred_at": plan.occurred_at,
                "recorded_at": recorded_at,
                "reference": plan.reference,
                "note": plan.note,
            }
        )
        entries += [_entry_document(number, seq, entry) for seq, entry in enumerate(plan.entries)]
        tips |= plan.tips
        for account_id, amount in plan.released.items():
            released[account_id] = released.get(account_id, Decimal(0)) + amount
    moved = [
        {
            "id": account_id,
            "posted": tip.balance,
            "count": tip.count,
            "hash": tip.hash,
            "released": released.get(account_id, Decimal(0)),
        }
        for account_id, tip in tips.items()
    ]
    return as_json(transactions), as_json(entries), as_json(moved)


def _entry_document(number: int, seq: int, entry: PlannedEntry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "n": number,
        "seq": seq,
        "account_id": entry.account_id,
        "side": entry.side,
        "amount": entry.amount,
        "previous_hash": "",
        "hash": "",
    }
    if entry.link is not None:
        document |= {
            "sequence": entry.link.sequence,
            "balance_after": entry.link.balance_after,
            "previous_hash": entry.link.previous_hash,
            "hash": entry.link.hash,
        }
    return document


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
