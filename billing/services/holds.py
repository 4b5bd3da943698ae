"""Money reserved in wallets; on cards the payment provider reserves it (billing.services.card_holds).

A hold is placed once and resolved once: captured, released or expired.
`LedgerAccount.pending` is the sum of a wallet's active holds; both change in one transaction under the account's lock.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.domain.postings import AccountRef, credit, debit, wallet
from billing.errors import CurrencyMismatch, InsufficientFunds
from billing.models import Hold, LedgerAccount
from billing.selectors.undecided import undecided_sessions
from billing.selectors.wallets import expired_promo
from billing.services.accounts import lock_accounts, state_of
from billing.services.hold_releases import release_card_holds
from billing.services.ledger import post
from billing.services.lots import take_from_lots
from common import clock
from common.errors import BadInput, IdempotencyConflict, InvalidTransition
from common.locking import lock_row
from common.money import Money, quantize_amount
from common.states import check_step

Status = Hold.Status


@transaction.atomic
def place_hold(
    *,
    driver_id: int,
    session_id: int,
    amount: Money,
    expires_at: datetime,
    idempotency_key: str,
    at: datetime | None = None,
) -> Hold:
    """Reserve `amount` of a driver's wallet for one charging session. Promotional money past its date is not there.

    `at` is when (default: now).

    Idempotent: the same key with the same terms returns the first hold, whatever became of it; other terms raise
    IdempotencyConflict.
    Locks: the wallet's LedgerAccount row. Raises BadInput, IdempotencyConflict, InsufficientFunds.
    """
    currency = str(amount.currency)
    if amount.amount <= 0 or amount.amount != quantize_amount(amount.amount, currency):
        raise BadInput(f"{amount} cannot be reserved. Use whole cents above zero.")
    account = wallet(driver_id, currency)
    state = lock_accounts([account])[account.key]
    stored = Hold.objects.filter(idempotency_key=idempotency_key).first()
    if stored is not None:
        if (stored.account_id, stored.charging_session_id, stored.amount) != (state.id, session_id, amount.amount):
            raise IdempotencyConflict
        return stored
    if amount.amount > state.available - expired_promo(state.id, at or clock.now()) + state.overdraft:
        raise InsufficientFunds
    LedgerAccount.objects.filter(pk=state.id).update(pending=state.pending + amount.amount)
    return Hold.objects.create(
        idempotency_key=idempotency_key,
        source=Hold.Source.WALLET,
        charging_session_id=session_id,
        account_id=state.id,
        amount=amount.amount,
        expires_at=expires_at,
    )


@transaction.atomic
def capture_hold(*, hold_id: int, amount: Money, credit_to: AccountRef, idempotency_key: str) -> Hold:
    """Spend `amount` of a wallet hold on `credit_to` (posted Dr wallet, Cr that account) and free the rest.

    Settlement captures the holds of its session by itself; this is for what is not a session's price.
    Idempotent: captured before under the same key for the same amount returns the hold unchanged. Locks: the wallet's
    LedgerAccount row, the hold, the lots. Raises InvalidTransition (released, expired, captured otherwise), BadInput
    (more than was held), CurrencyMismatch.
    """
    hold, row = _lock_hold(hold_id)
    if str(amount.currency) != row.currency:
        raise CurrencyMismatch
    if amount.amount > hold.amount:
        raise BadInput(f"{amount} is more than was reserved.")
    if hold.status == Status.CAPTURED and hold.captured_amount != amount.amount:
        raise InvalidTransition
    if check_step(Hold.TRANSITIONS, hold.status, Status.CAPTURED):
        _resolve(row, [hold], Status.CAPTURED, captured=amount.amount)
        row.refresh_from_db()
        take_from_lots(state_of(row), amount.amount, at=hold.placed_at)
    post(
        idempotency_key=idempotency_key,
        event="hold_captured",
        occurred_at=clock.now(),
        currency=row.currency,
        postings=[debit(wallet(row.driver_id or 0, row.currency), amount.amount), credit(credit_to, amount.amount)],
        reference=f"hold:{hold.pk}",
    )
    return hold


@transaction.atomic
def release_hold(*, hold_id: int) -> Hold:
    """Free a wallet hold that was not spent. A repeat changes nothing.

    Locks: the wallet's LedgerAccount row, then the hold. Raises InvalidTransition when it was captured or expired.
    """
    hold, row = _lock_hold(hold_id)
    if check_step(Hold.TRANSITIONS, hold.status, Status.RELEASED):
        _resolve(row, [hold], Status.RELEASED)
    return hold


@transaction.atomic
def release_session_holds(*, session_id: int) -> int:
    """Free every active wallet hold of a session; their number. What is held on a card is let go by a task.

    Safe to repeat. Locks: the wallets' LedgerAccount rows, then the holds.
    """
    release_card_holds(session_id=session_id)
    holds = Hold.objects.filter(charging_session_id=session_id, source=Hold.Source.WALLET, status=Status.ACTIVE)
    return sum(_resolve_active(account_id, Status.RELEASED, session_id=session_id) for account_id in _accounts(holds))


def expire_holds(*, now: datetime) -> int:
    """Free wallet holds whose deadline has passed, one transaction per wallet; their number. Safe to repeat.

    The hold of a session that is running, not settled yet or in review stays, however old: it is what will pay for it.
    Locks: the wallets' LedgerAccount rows, then the holds.
    """
    holds = _overdue(Hold.objects.filter(source=Hold.Source.WALLET, status=Status.ACTIVE), now)
    return sum(_resolve_active(account_id, Status.EXPIRED, overdue_at=now) for account_id in _accounts(holds))


def _overdue(holds: QuerySet[Hold], now: datetime) -> QuerySet[Hold]:
    own_session = undecided_sessions().filter(pk=OuterRef("charging_session_id"))
    return holds.filter(~Exists(own_session), expires_at__lte=now)


def _accounts(holds: QuerySet[Hold]) -> list[int]:
    return sorted({account_id for account_id in holds.values_list("account_id", flat=True) if account_id is not None})


@transaction.atomic
def _resolve_active(
    account_id: int, status: str, *, session_id: int | None = None, overdue_at: datetime | None = None
) -> int:
    row = lock_row(LedgerAccount.objects.filter(pk=account_id))
    holds = Hold.objects.filter(account=row, status=Status.ACTIVE)
    if session_id is not None:
        holds = holds.filter(charging_session_id=session_id)
    if overdue_at is not None:
        holds = _overdue(holds, overdue_at)
    chosen = list(holds.order_by("pk"))
    _resolve(row, chosen, status)
    return len(chosen)


def _lock_hold(hold_id: int) -> tuple[Hold, LedgerAccount]:
    account_id = Hold.objects.filter(pk=hold_id).values_list("account_id", flat=True).get()
    if account_id is None:
        raise InvalidTransition("This hold is on a card; the payment provider resolves it.")
    row = lock_row(LedgerAccount.objects.filter(pk=account_id))
    return lock_row(Hold.objects.filter(pk=hold_id)), row


def _resolve(row: LedgerAccount, holds: Sequence[Hold], status: str, *, captured: Decimal = Decimal(0)) -> None:
    """Give active holds of the locked wallet their end and take them out of `pending`."""
    held = sum((hold.amount for hold in holds), Decimal(0))
    if not held:
        return
    LedgerAccount.objects.filter(pk=row.pk).update(pending=row.pending - held)
    for hold in holds:
        hold.status = status
        hold.captured_amount = captured
        hold.resolved_at = clock.now()
    Hold.objects.bulk_update(holds, ["status", "captured_amount", "resolved_at"])
