"""Putting right by hand what a customer owes, or is owed, beside their sessions, such as a lost dispute."""

from decimal import Decimal

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from djmoney.money import Money

from accounts.models import Driver
from accounts.services import audit
from billing.domain.postings import credit, debit, receivable, system
from billing.errors import AdjustmentTooLarge, ReasonMissing
from billing.models import LedgerTransaction
from billing.selectors.receivables import owed_by_sessions
from billing.services.accounts import lock_accounts
from billing.services.ledger import post
from common import clock
from common.errors import BadInput
from common.formats import money_words
from common.money import quantize_amount


class Direction(models.TextChoices):
    LOWER = "lower", _("The customer owes less")
    RAISE = "raise", _("The customer owes more")


class Settled(models.TextChoices):
    """Where the other side of the adjustment is posted."""

    BANK = "bank_clearing", _("Money moved outside: bank transfer or cash")
    GIVEN = "promo_expense", _("No money moved: the operator bears it")


@transaction.atomic
def adjust_receivable(
    *,
    driver_id: int,
    amount: Money,
    direction: str,
    settled: str,
    reason: str,
    idempotency_key: str,
    actor_id: int,
) -> LedgerTransaction:
    """Change what a driver owes by an operator's decision.

    Lowered is at most what they owe beyond their sessions: what a session costs is collected, refunded or written off
    there. Posted between the receivable and bank_clearing (money moved) or promo_expense (the operator bears it).
    Idempotent by key. Locks: the receivable's LedgerAccount row.
    Raises ReasonMissing, BadInput, AdjustmentTooLarge, IdempotencyConflict.
    """
    if not reason.strip():
        raise ReasonMissing
    if amount.amount <= 0 or amount.amount != quantize_amount(amount.amount, str(amount.currency)):
        raise BadInput(f"{amount} is not an amount that can be booked. Use whole cents above zero.")
    currency = str(amount.currency)
    owed, other = receivable(driver_id, currency), system(Settled(settled), currency)
    balance = lock_accounts([owed])[owed.key].tip.balance
    is_lower = Direction(direction) is Direction.LOWER
    is_new = not LedgerTransaction.objects.filter(idempotency_key=idempotency_key).exists()
    left = balance - owed_by_sessions(driver_id, currency)
    if is_new and is_lower and amount.amount > left:
        raise AdjustmentTooLarge(
            _(
                "Beside what sessions cost, %(left)s is owed. What a session costs is collected, refunded or written "
                "off on its own page."
            )
            % {"left": money_words(max(left, Decimal(0)), currency)}
        )
    postings = [debit(other, amount.amount), credit(owed, amount.amount)]
    posted = post(
        idempotency_key=idempotency_key,
        event="receivable_adjusted",
        occurred_at=clock.now(),
        currency=currency,
        postings=postings if is_lower else [debit(owed, amount.amount), credit(other, amount.amount)],
        reference=f"driver:{driver_id}",
        note=reason[:200],
    )
    if is_new:
        audit.record(
            actor_id=actor_id,
            action="receivable_adjusted",
            subject=Driver.objects.get(pk=driver_id),
            reason=reason,
            data={
                "amount": str(-amount.amount if is_lower else amount.amount),
                "currency": currency,
                "against": str(Settled(settled)),
            },
        )
    return posted
