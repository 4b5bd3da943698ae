"""Hashes recomputed from the rows: chains of owners' accounts, contents of transactions. One streamed query each."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from django.db.models import F

from billing.domain.chain import Tip, link_hash
from billing.domain.postings import OWNER_CODES, content_hash, natural_change
from billing.models import LedgerAccount, LedgerEntry
from billing.selectors.findings import Finding


def broken_chains(now: datetime) -> Iterator[Finding]:
    """Entries out of sequence, of a wrong balance or hash, and accounts whose tip is not their last entry's."""
    kept = {
        row.pk: (row.key, Tip(row.entry_count, row.posted, row.last_hash))
        for row in LedgerAccount.objects.filter(code__in=OWNER_CODES)
    }
    entries = (
        LedgerEntry.objects.filter(account__code__in=OWNER_CODES)
        .annotate(
            key=F("account__key"),
            code=F("account__code"),
            transaction_key=F("transaction__idempotency_key"),
            occurred_at=F("transaction__occurred_at"),
        )
        .order_by("account_id", "sequence", "pk")
    )
    for account_id, rows in groupby(entries.iterator(chunk_size=2000), key=lambda entry: entry.account_id):
        tip = Tip()
        for entry in rows:
            expected = Tip(
                tip.count + 1,
                tip.balance + natural_change(entry.code, entry.side, entry.amount),
                link_hash(
                    previous_hash=tip.hash,
                    account_key=entry.key,
                    sequence=tip.count + 1,
                    side=entry.side,
                    amount=entry.amount,
                    balance_after=tip.balance + natural_change(entry.code, entry.side, entry.amount),
                    transaction_key=entry.transaction_key,
                    occurred_at=entry.occurred_at,
                ),
            )
            found = Tip(entry.sequence or 0, entry.balance_after or Decimal(0), entry.hash)
            if found != expected or entry.previous_hash != tip.hash:
                yield _broken(f"ledger entry {entry.pk}", f"breaks the chain of {entry.key} at number {entry.sequence}")
            # Go on from what stands there, so that one broken link is one finding.
            tip = found
        key, kept_tip = kept.pop(account_id)
        if kept_tip != tip:
            yield _broken(f"ledger account {key}", f"keeps number {kept_tip.count} as its last, its chain {tip.count}")
    for key, tip in kept.values():
        if tip != Tip():
            yield _broken(f"ledger account {key}", f"keeps number {tip.count} as its last and has no entries")


def _broken(row: str, detail: str) -> Finding:
    return Finding("chains_are_intact", row, detail)


def changed_transactions(now: datetime) -> Iterator[Finding]:
    """Transactions whose entries, event, currency or reference are not those that were posted."""
    entries = (
        LedgerEntry.objects.annotate(key=F("account__key"))
        .select_related("transaction")
        .order_by("transaction_id", "pk")
    )
    for _, group in groupby(entries.iterator(chunk_size=2000), key=lambda entry: entry.transaction_id):
        rows = list(group)
        posted = rows[0].transaction
        digest = content_hash(
            posted.event, posted.currency, posted.reference, ((row.key, row.side, row.amount) for row in rows)
        )
        if digest != posted.content_hash:
            yield Finding(
                "transactions_are_unchanged",
                f"ledger transaction {posted.idempotency_key}",
                "does not hash to what was posted",
            )
