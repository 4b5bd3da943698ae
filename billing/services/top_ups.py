"""A wallet is topped up from its driver's card: claim, commit, call, record (billing.services.payments)."""

from uuid import UUID

from django.db import transaction

from accounts.models import Driver
from billing.domain import retries
from billing.errors import NoUsableCard, TopUpUnderWay
from billing.models import Payment
from billing.selectors.payments import usable_methods
from billing.services.payment_sweep import call_off
from billing.services.payments import record_payment_result, send_payment
from billing.services.wallets import assert_may_top_up
from common import clock
from common.errors import IdempotencyConflict
from common.locking import lock_row
from common.money import Money


def top_up(*, driver_id: int, amount: Money, key: UUID, method_id: int | None = None) -> Payment:
    """Charge `amount` to a driver's card and credit it to the wallet once it is paid; the payment as it stands then.

    `method_id` is the card to charge, else the one used first. `key` is made with the form: sent any number of times it
    is one payment. Talks to the provider; raises what `claim_top_up` raises, RuntimeError inside a transaction.
    """
    payment = claim_top_up(driver_id=driver_id, amount=amount, key=key, method_id=method_id)
    return send_payment(payment=payment) if payment.status == Payment.Status.CREATED else payment


@transaction.atomic
def claim_top_up(*, driver_id: int, amount: Money, key: UUID, method_id: int | None = None) -> Payment:
    """Write down a top-up about to be asked for: its card, its key, its amount.

    Idempotent: the same key with the same amount returns the first payment. Locks: the Driver.
    Raises SelfTopUpNotOffered, CurrencyMismatch, TopUpOutOfRange, BadInput, NoContract, TopUpUnderWay, NoUsableCard,
    IdempotencyConflict.
    """
    driver = lock_row(Driver.objects.filter(pk=driver_id))
    idempotency_key = f"driver:{driver.public_id}:top-up:{key}"
    stored = Payment.objects.filter(idempotency_key=idempotency_key).first()
    if stored is not None:
        if (stored.amount, stored.currency) != (amount.amount, str(amount.currency)):
            raise IdempotencyConflict
        return stored
    assert_may_top_up(driver_id=driver_id, amount=amount)
    return write_claim(driver=driver, amount=amount, idempotency_key=idempotency_key, method_id=method_id)


def write_claim(
    *,
    driver: Driver,
    amount: Money,
    idempotency_key: str,
    method_id: int | None = None,
    is_automatic: bool = False,
) -> Payment:
    """The payment row of a top-up that is allowed, of a locked driver. Raises TopUpUnderWay, NoUsableCard."""
    if Payment.objects.filter(driver=driver, purpose=Payment.Purpose.TOP_UP, status__in=Payment.OPEN).exists():
        raise TopUpUnderWay
    usable = usable_methods(driver.pk)
    method = usable.first() if method_id is None else usable.filter(pk=method_id).first()
    if method is None:
        raise NoUsableCard
    return Payment.objects.create(
        idempotency_key=idempotency_key,
        driver=driver,
        purpose=Payment.Purpose.TOP_UP,
        method=method,
        provider=method.provider,
        amount=amount.amount,
        currency=str(amount.currency),
        is_automatic=is_automatic,
        reread_at=clock.now() + retries.REREAD_SOONEST,
    )


def cancel_top_up(*, driver_id: int, payment_id: int) -> Payment:
    """Call off a top-up that waits for its driver's confirmation; it stays paid when the confirmation was quicker.

    Talks to the provider; raises ProviderUnavailable, Payment.DoesNotExist for another driver's.
    """
    payment = Payment.objects.get(pk=payment_id, driver_id=driver_id, purpose=Payment.Purpose.TOP_UP)
    if payment.status != Payment.Status.REQUIRES_ACTION:
        return payment
    return record_payment_result(payment_id=payment.pk, result=call_off(payment))
