"""Closing a wallet: what came from a card goes back to it, what was given away is taken back."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from accounts.models import Driver
from accounts.services import audit
from billing.domain.plan import AccountState
from billing.domain.postings import credit, debit, receivable, system, wallet
from billing.domain.waterfall import Source
from billing.errors import NothingToPayOut, ReasonMissing, TopUpUnderWay, WalletInUse
from billing.models import LedgerTransaction, Payment, WalletLot
from billing.selectors.undecided import undecided_sessions
from billing.services.accounts import lock_accounts
from billing.services.auto_top_ups import stop_for_closing
from billing.services.card_refunds import claim_top_up_refund
from billing.services.ledger import post
from billing.services.lots import lower_lots
from common import clock
from common.errors import IdempotencyConflict
from common.locking import lock_row, lock_rows

Kind = WalletLot.Kind


@dataclass(frozen=True, slots=True)
class ClosingPlan:
    """Where what is left of a wallet goes: back to cards by their top-ups (oldest first), by hand, or nowhere."""

    currency: str
    to_cards: list[tuple[Payment, Decimal]]
    by_hand: Decimal
    forfeited: Decimal
    taken: list[Source]

    @property
    def card_total(self) -> Decimal:
        return sum((part for _payment, part in self.to_cards), Decimal(0))

    @property
    def total(self) -> Decimal:
        return self.card_total + self.by_hand + self.forfeited


def preview_closing(*, driver_id: int, currency: str) -> ClosingPlan:
    """What `close_wallet` would do now. Raises what it raises, nothing is changed."""
    with transaction.atomic():
        return _plan(driver_id, currency)[1]


@transaction.atomic
def close_wallet(
    *, driver_id: int, currency: str, reason: str, idempotency_key: str, actor_id: int | None = None
) -> LedgerTransaction:
    """Empty a driver's wallet: cash goes back to the cards it came from, gifts are forfeited.

    Posted Dr wallet; Cr receivable (what goes back to cards, moved on when the provider has given it back),
    bank_clearing (cash that came from no card and is paid out by hand), promo_expense. The refunds are claimed in the
    same transaction and sent by a task.
    Idempotent by key. Locks: the Driver, the top-ups' Payments, the wallet's and the receivable's LedgerAccount, the
    AutoTopUp, which is switched off.
    Raises ReasonMissing, WalletInUse, TopUpUnderWay, NothingToPayOut, IdempotencyConflict.
    """
    if not reason.strip():
        raise ReasonMissing
    lock_row(Driver.objects.filter(pk=driver_id), is_shareable=True)
    stored = LedgerTransaction.objects.filter(idempotency_key=idempotency_key).first()
    if stored is not None:
        if (stored.event, stored.reference) != ("wallet_closed", f"driver:{driver_id}"):
            raise IdempotencyConflict
        return stored
    _state, plan = _plan(driver_id, currency)
    lower_lots(plan.taken)
    targets = [
        (receivable(driver_id, currency), plan.card_total),
        (system("bank_clearing", currency), plan.by_hand),
        (system("promo_expense", currency), plan.forfeited),
    ]
    posted = post(
        idempotency_key=idempotency_key,
        event="wallet_closed",
        occurred_at=clock.now(),
        currency=currency,
        postings=[
            debit(wallet(driver_id, currency), plan.total),
            *(credit(account, amount) for account, amount in targets if amount),
        ],
        reference=f"driver:{driver_id}",
        note=reason[:200],
    )
    for payment, part in plan.to_cards:
        claim_top_up_refund(payment=payment, amount=part, reason=reason)
    stop_for_closing(driver_id=driver_id, currency=currency)
    audit.record(
        actor_id=actor_id,
        action="wallet_closed",
        subject=Driver.objects.get(pk=driver_id),
        reason=reason,
        data={
            "currency": currency,
            "to_cards": str(plan.card_total),
            "by_hand": str(plan.by_hand),
            "forfeited": str(plan.forfeited),
        },
    )
    return posted


def _plan(driver_id: int, currency: str) -> tuple[AccountState, ClosingPlan]:
    """Locks the top-ups that can go back and the wallet, then looks at its lots."""
    top_ups = Payment.objects.filter(driver_id=driver_id, purpose=Payment.Purpose.TOP_UP, currency=currency)
    if top_ups.filter(status__in=Payment.OPEN).exists():
        raise TopUpUnderWay
    payments = lock_rows(top_ups.filter(status=Payment.Status.SUCCEEDED, refunded__lt=F("amount")))
    account = wallet(driver_id, currency)
    state = lock_accounts([account, receivable(driver_id, currency)])[account.key]
    if state.pending or undecided_sessions().filter(driver_id=driver_id).exists():
        raise WalletInUse
    lots = list(WalletLot.objects.filter(account_id=state.id, remaining__gt=0).order_by("created_at", "pk"))
    if not lots:
        raise NothingToPayOut
    return state, _split(lots, payments, currency)


def _split(lots: Iterable[WalletLot], payments: Iterable[Payment], currency: str) -> ClosingPlan:
    """Each lot's own top-up takes back what is left of it, as far as it has not given that back already."""
    by_posting = {payment.ledger_transaction_id: payment for payment in payments}
    to_cards: list[tuple[Payment, Decimal]] = []
    by_hand = forfeited = Decimal(0)
    taken = []
    for lot in lots:
        taken.append(Source(lot.kind, lot.remaining, lot.pk))
        if lot.kind == Kind.PROMO:
            forfeited += lot.remaining
            continue
        payment = by_posting.get(lot.ledger_transaction_id) if lot.is_refundable else None
        part = min(lot.remaining, payment.amount - payment.refunded) if payment else Decimal(0)
        if payment is not None and part > 0:
            to_cards.append((payment, part))
        by_hand += lot.remaining - part
    return ClosingPlan(currency, to_cards, by_hand, forfeited, taken)
