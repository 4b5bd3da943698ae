"""What a posting writes, decided in memory: the same plan for every database. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.domain.chain import Link, Tip, extend
from billing.domain.postings import Posting, check_balanced, content_hash

_START = Tip()


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as it was read: its key in the database and, for an owner's account, its locked balance and tip."""

    id: int
    tip: Tip = _START
    pending: Decimal = Decimal(0)
    overdraft: Decimal = Decimal(0)

    @property
    def available(self) -> Decimal:
        """Balance less what is reserved."""
        return self.tip.balance - self.pending


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """One row of the ledger. `link` is None on system accounts, which are not chained."""

    account_id: int
    side: str
    amount: Decimal
    link: Link | None


@dataclass(frozen=True, slots=True)
class PostingPlan:
    """One ledger transaction: its entries in order and, by account id, the owners' new tips and freed reserves."""

    idempotency_key: str
    content_hash: str
    event: str
    currency: str
    occurred_at: datetime
    reference: str
    note: str
    entries: tuple[PlannedEntry, ...]
    tips: Mapping[int, Tip]
    released: Mapping[int, Decimal]


def plan_posting(
    *,
    idempotency_key: str,
    event: str,
    occurred_at: datetime,
    currency: str,
    postings: Sequence[Posting],
    accounts: Mapping[str, AccountState],
    reference: str = "",
    note: str = "",
    released: Mapping[int, Decimal] | None = None,
) -> PostingPlan:
    """Chain `postings` onto the locked `accounts` (by account key). Raises Unbalanced.

    `released` is what stops being reserved, by account id; of accounts that are posted to.
    """
    check_balanced(postings, currency)
    entries: list[PlannedEntry] = []
    tips: dict[int, Tip] = {}
    for posting in postings:
        account = accounts[posting.account.key]
        link: Link | None = None
        if posting.account.has_owner:
            tip = tips.get(account.id, account.tip)
            link = extend(tip, posting, transaction_key=idempotency_key, occurred_at=occurred_at)
            tips[account.id] = link.tip
        entries.append(PlannedEntry(account.id, str(posting.side), posting.amount, link))
    return PostingPlan(
        idempotency_key=idempotency_key,
        content_hash=content_hash(
            event, currency, reference, ((posting.account.key, posting.side, posting.amount) for posting in postings)
        ),
        event=event,
        currency=currency,
        occurred_at=occurred_at,
        reference=reference,
        note=note,
        entries=tuple(entries),
        tips=tips,
        released={account_id: amount for account_id, amount in (released or {}).items() if account_id in tips},
    )
