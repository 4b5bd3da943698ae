"""The hash chain of an owner's account: each hash covers the one before, so no entry can change unseen. Pure."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from billing.domain.postings import Posting, natural_change

# What the first entry of an account follows.
GENESIS = ""
_compact = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of an account's chain: how many entries, the balance after them, and the last hash."""

    count: int = 0
    balance: Decimal = Decimal(0)
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Link:
    """One entry's place in its account's chain."""

    sequence: int
    balance_after: Decimal
    previous_hash: str
    hash: str

    @property
    def tip(self) -> Tip:
        return Tip(self.sequence, self.balance_after, self.hash)


def link_hash(
    *,
    previous_hash: str,
    account_key: str,
    sequence: int,
    side: str,
    amount: Decimal,
    balance_after: Decimal,
    transaction_key: str,
    occurred_at: datetime,
) -> str:
    """SHA-256 over the previous hash and the entry, as compact JSON; amounts with four places, the moment in UTC."""
    content = [
        previous_hash,
        account_key,
        sequence,
        str(side),
        f"{amount:.4f}",
        f"{balance_after:.4f}",
        transaction_key,
        occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
    ]
    return hashlib.sha256(_compact(content).encode()).hexdigest()


def extend(tip: Tip, posting: Posting, *, transaction_key: str, occurred_at: datetime) -> Link:
    """The link a posting adds after `tip`."""
    account = posting.account
    sequence = tip.count + 1
    balance = tip.balance + natural_change(account.code, posting.side, posting.amount)
    return Link(
        sequence=sequence,
        balance_after=balance,
        previous_hash=tip.hash,
        hash=link_hash(
            previous_hash=tip.hash,
            account_key=account.key,
            sequence=sequence,
            side=posting.side,
            amount=posting.amount,
            balance_after=balance,
            transaction_key=transaction_key,
            occurred_at=occurred_at,
        ),
    )
