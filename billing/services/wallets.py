"""Money goes into wallets as lots and is taken out of them in spending order."""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Driver
from accounts.selectors.contracts import contract_in_force
from accounts.services import audit
from billing.domain.postings import AccountRef, Posting, Side, credit, debit, system, wallet
from billing.domain.waterfall import WALLET_PROMO, Source
from billing.errors import CurrencyMismatch, ReasonMissing, SelfTopUpNotOffered, TopUpOutOfRange
from billing.models import LedgerTransaction, WalletLot
from billing.services.accounts import lock_accounts
from billing.services.ledger import post
from billing.services.lots import take_from_lots
from common import clock
from common.errors import BadInput, IdempotencyConflict
from common.formats import money_words
from common.money import Money, quantize_amount

Kind = WalletLot.Kind
Origin = WalletLot.Origin

# Cash arrives where its money arrives; what the operator gives away is an expense.
_CASH_CONTRA = {Origin.OPERATOR: "bank_clearing", Origin.CARD_TOP_UP: "psp_clearing"}
_GIVEN_AWAY = "promo_expense"
# Moved by a person's decision rather than by a payment: somebody has to say why.
_NEEDS_REASON = frozenset({Origin.OPERATOR, Origin.GIFT})


@transaction.atomic
def credit_wallet(
    *,
    driver_id: int,
    amount: Money,
    kind: str,
    origin: str,
    reason: str,
    idempotency_key: str,
    actor_id: int | None = None,
    expires_at: datetime | None = None,
) -> WalletLot:
    """Put `amount` into a driver's wallet as one lot: an operator's top-up, a gift, a card top-up that was paid.

    Posted Dr bank_clearing (operator's cash), psp_clearing (card) or promo_expense (promotional, gift), Cr wallet.
    The operator may always do this, whatever the contract type offers the driver. Whatever an operator moves leaves an
    AuditEvent with its reason.
    Idempotent: the same key with the same terms returns the first lot; other terms raise IdempotencyConflict.
    Locks: the wallet's LedgerAccount row. Raises ReasonMissing, BadInput, IdempotencyConflict.
    """
    _check_terms(amount, kind, origin, reason, expires_at)
    currency = str(amount.currency)
    account = wallet(driver_id, currency)
    state = lock_accounts([account])[account.key]
    posted = post(
        idempotency_key=idempotency_key,
        event="wallet_credited",
        occurred_at=clock.now(),
        currency=currency,
        postings=[debit(_contra(kind, origin, currency), amount.amount), credit(account, amount.amount)],
        reference=f"driver:{driver_id}",
        note=reason[:200],
    )
    lot = WalletLot.objects.filter(ledger_transaction=posted).first()
    if lot is not None:
        if (lot.kind, lot.origin, lot.expires_at) != (kind, origin, expires_at):
            raise IdempotencyConflict
        return lot
    lot = WalletLot.objects.create(
        account_id=state.id,
        ledger_transaction=posted,
        kind=kind,
        origin=origin,
        amount=amount.amount,
        remaining=amount.amount,
        expires_at=expires_at,
        is_refundable=kind == Kind.CASH and origin == Origin.CARD_TOP_UP,
    )
    if actor_id is not None or origin in _NEEDS_REASON:
        audit.record(
            actor_id=actor_id,
            action="wallet_credited",
            subject=Driver.objects.get(pk=driver_id),
            reason=reason,
            data={"amount": str(amount.amount), "currency": currency, "kind": kind, "origin": origin, "lot": lot.pk},
        )
    return lot


@transaction.atomic
def adjust_wallet(
    *, driver_id: int, amount: Money, reason: str, idempotency_key: str, actor_id: int | None = None
) -> LedgerTransaction:
    """Take `amount` out of a driver's wallet by an operator's decision; reserved money is not touched.

    Lots are taken in spending order; promotional money returns to promo_expense, cash to bank_clearing.
    Idempotent by key. Locks: the wallet's LedgerAccount row, then its lots.
    Raises ReasonMissing, BadInput, InsufficientFunds, IdempotencyConflict.
    """
    if not reason.strip():
        raise ReasonMissing
    _check_amount(amount)
    currency = str(amount.currency)
    account = wallet(driver_id, currency)
    state = lock_accounts([account])[account.key]
    stored = LedgerTransaction.objects.filter(idempotency_key=idempotency_key).first()
    if stored is not None:
        _refuse_other_adjustment(stored, state.id, amount.amount)
        return stored
    taken = take_from_lots(state, amount.amount, at=clock.now())
    posted = post(
        idempotency_key=idempotency_key,
        event="wallet_adjusted",
        occurred_at=clock.now(),
        currency=currency,
        postings=[debit(account, amount.amount), *_returned(taken, currency)],
        reference=f"driver:{driver_id}",
        note=reason[:200],
    )
    audit.record(
        actor_id=actor_id,
        action="wallet_adjusted",
        subject=Driver.objects.get(pk=driver_id),
        reason=reason,
        data={
            "amount": str(-amount.amount),
            "currency": currency,
            "lots": {str(source.lot_id): str(source.limit) for source in taken},
        },
    )
    return posted


def assert_may_top_up(*, driver_id: int, amount: Money, at: datetime | None = None) -> None:
    """The driver's own top-up is allowed by the contract type in force, in its currency and within TOP_UP_MIN and _MAX.

    Operators do not ask: `credit_wallet` is theirs.
    Raises SelfTopUpNotOffered, CurrencyMismatch, TopUpOutOfRange, NoContract, BadInput.
    """
    contract_type = contract_in_force(driver_id, at or clock.now()).contract_type
    if not contract_type.self_topup:
        raise SelfTopUpNotOffered
    if str(amount.currency) != contract_type.currency:
        raise CurrencyMismatch
    _check_amount(amount)
    if not settings.TOP_UP_MIN <= amount.amount <= settings.TOP_UP_MAX:
        raise TopUpOutOfRange(
            _("You can top up between %(least)s and %(most)s at once.")
            % {
                "least": money_words(settings.TOP_UP_MIN, contract_type.currency),
                "most": money_words(settings.TOP_UP_MAX, contract_type.currency),
            }
        )


def _check_terms(amount: Money, kind: str, origin: str, reason: str, expires_at: datetime | None) -> None:
    _check_amount(amount)
    if kind == Kind.CASH and origin != Origin.GIFT and origin not in _CASH_CONTRA:
        raise BadInput(f"Cash cannot come into a wallet by “{origin}” here.")
    if kind == Kind.CASH and expires_at is not None:
        raise BadInput("Money that was paid in never expires. Leave the expiry empty, or make it promotional.")
    if origin in _NEEDS_REASON and not reason.strip():
        raise ReasonMissing


def _check_amount(amount: Money) -> None:
    if amount.amount <= 0 or amount.amount != quantize_amount(amount.amount, str(amount.currency)):
        raise BadInput(f"{amount} is not an amount that can be booked. Use whole cents above zero.")


def _contra(kind: str, origin: str, currency: str) -> AccountRef:
    given_away = kind == Kind.PROMO or origin == Origin.GIFT
    return system(_GIVEN_AWAY if given_away else _CASH_CONTRA[Origin(origin)], currency)


def _returned(taken: list[Source], currency: str) -> list[Posting]:
    """The credit side of an adjustment: where the money of each kind of lot goes back to."""
    totals: dict[str, Decimal] = {}
    for source in taken:
        code = _GIVEN_AWAY if source.source == WALLET_PROMO else "bank_clearing"
        totals[code] = totals.get(code, Decimal(0)) + (source.limit or Decimal(0))
    return [credit(system(code, currency), total) for code, total in totals.items()]


def _refuse_other_adjustment(stored: LedgerTransaction, account_id: int, amount: Decimal) -> None:
    same = stored.event == "wallet_adjusted" and stored.entries.filter(
        account_id=account_id, side=Side.DEBIT, amount=amount
    )
    if not same or not same.exists():
        raise IdempotencyConflict
