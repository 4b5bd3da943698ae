"""The lots of a wallet are lowered in spending order, by a caller that holds the wallet's account."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Round

from billing.domain.plan import AccountState
from billing.domain.postings import AccountRef, credit, debit, system
from billing.domain.waterfall import Lot, Source, wallet_sources
from billing.errors import InsufficientFunds
from billing.models import LedgerAccount, WalletLot
from billing.selectors.undecided import undecided_sessions
from billing.services.accounts import state_of
from billing.services.ledger import post
from common import clock
from common.locking import lock_row
from common.money import MONEY_PLACES


def open_lots(account_id: int) -> list[Lot]:
    """The lots of a wallet with something left."""
    return [
        Lot(lot.pk, lot.kind, lot.remaining, lot.expires_at)
        for lot in WalletLot.objects.filter(account_id=account_id, remaining__gt=0)
    ]


def take_from_lots(state: AccountState, amount: Decimal, *, at: datetime) -> list[Source]:
    """Lower the locked wallet's lots by `amount` in spending order; what came from which. Raises InsufficientFunds."""
    sources = wallet_sources(open_lots(state.id), min(state.available, amount), at)
    if sum((source.limit or Decimal(0) for source in sources), Decimal(0)) < amount:
        raise InsufficientFunds
    lower_lots(sources)
    return sources


def lower_lots(taken: Sequence[Source]) -> None:
    """Lower each named lot by its part; the wallet's account is locked by the caller."""
    for source in taken:
        if source.lot_id is None:
            raise ValueError("only lots can be lowered")
        # Rounded, because SQLite subtracts doubles.
        remaining = Round(F("remaining") - source.limit, precision=MONEY_PLACES)
        WalletLot.objects.filter(pk=source.lot_id).update(remaining=remaining)


def raise_lots(returned: Sequence[Source]) -> None:
    """Put each part back into the lot it came from; the wallet's account is locked by the caller.

    A lot keeps its kind and its expiry: what comes back after that is gone with the next expiry.
    """
    for source in returned:
        if source.lot_id is None:
            raise ValueError("only lots can be raised")
        remaining = Round(F("remaining") + source.limit, precision=MONEY_PLACES)
        WalletLot.objects.filter(pk=source.lot_id).update(remaining=remaining)


def expire_lots(*, now: datetime) -> int:
    """Take expired promotional lots out of their wallets, one transaction per wallet; the number of wallets touched.

    Posted Dr wallet, Cr promo_expense. A wallet with a session that is running or not settled yet waits: that session
    may still draw what had not expired when it began. Money reserved by a hold waits for the hold. Safe to repeat.
    Locks: one wallet's LedgerAccount row at a time, then its lots.
    """
    undecided = undecided_sessions().filter(driver_id=OuterRef("driver_id"))
    wallets = LedgerAccount.objects.filter(
        ~Exists(undecided), Exists(_expired(now).filter(account_id=OuterRef("pk"))), code="wallet"
    )
    return sum(_expire_wallet(account_id, now) for account_id in wallets.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _expire_wallet(account_id: int, now: datetime) -> int:
    row = lock_row(LedgerAccount.objects.filter(pk=account_id))
    state = state_of(row)
    left = state.available
    gone: list[Source] = []
    for lot in _expired(now).filter(account_id=account_id).order_by("pk"):
        part = min(lot.remaining, left)
        if part > 0:
            gone.append(Source(lot.kind, part, lot.pk))
            left -= part
    expired = state.available - left
    if not expired:
        return 0
    lower_lots(gone)
    account = AccountRef(row.code, row.currency, driver_id=row.driver_id, partner_id=row.partner_id)
    post(
        idempotency_key=f"wallet:{row.pk}:expiry:{state.tip.count}",
        event="promo_expired",
        occurred_at=clock.now(),
        currency=row.currency,
        postings=[debit(account, expired), credit(system("promo_expense", row.currency), expired)],
        reference=f"driver:{row.driver_id}",
    )
    return 1


def _expired(now: datetime) -> QuerySet[WalletLot]:
    return WalletLot.objects.filter(kind=WalletLot.Kind.PROMO, remaining__gt=0, expires_at__lte=now)
