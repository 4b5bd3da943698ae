"""What an operator does about a payment whose outcome is in doubt: parked by a program, or long without an answer.

Nothing is decided without asking the provider first. Each decision leaves an AuditEvent with its reason.
"""

from dataclasses import replace
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from djmoney.money import Money

from accounts.services import audit
from billing.errors import ReasonMissing
from billing.models import Payment
from billing.providers.base import PaymentProvider, PaymentState, ProviderResult, RefundRequest
from billing.providers.registry import get_provider
from billing.selectors.payments import is_doubtful
from billing.services.hold_captures import captured_by
from billing.services.payment_sweep import reread_payment
from billing.services.payments import record_payment_result
from common import clock
from common.errors import Refused
from common.money import quantize

# What a payment that took nothing may be at the provider.
_TOOK_NOTHING = (PaymentState.DECLINED, PaymentState.CANCELLED)


class NotInDoubt(Refused):
    code = "payment_not_in_doubt"
    sentence = _("This payment is decided, or still on its way. There is nothing to do about it.")


class StillInDoubt(Refused):
    code = "payment_still_in_doubt"
    sentence = _("The provider's answer does not decide it. Close it as not paid, or give back what was taken.")


class MoneyWasTaken(Refused):
    code = "payment_money_was_taken"
    sentence = _("The provider has taken money for it. Ask the provider again, or give the money back.")


class NothingWasTaken(Refused):
    code = "payment_nothing_was_taken"
    sentence = _("The provider has taken nothing for it, so there is nothing to give back. Close it as not paid.")


class RightAmountTaken(Refused):
    code = "payment_right_amount_taken"
    sentence = _("The provider has taken exactly what was asked for. Ask the provider again: it is booked then.")


def ask_again(*, payment_id: int, actor_id: int, reason: str) -> Payment:
    """Ask the provider what became of a payment and record its answer, as the sweep does.

    What it has never seen is sent, under the same key. Talks to the provider; raises ReasonMissing, NotInDoubt,
    StillInDoubt when its answer decides nothing.
    """
    _check(payment_id, reason)
    payment = reread_payment(payment_id=payment_id)
    payment.refresh_from_db()
    if payment.status in Payment.OPEN and payment.reread_at is None:
        raise StillInDoubt
    _note(payment, "payment_asked_again", actor_id, reason)
    return payment


def close_unpaid(*, payment_id: int, actor_id: int, reason: str) -> Payment:
    """Close a payment for which the provider has taken nothing; what it was to pay is open again.

    Talks to the provider, and calls off there what still waits; raises ReasonMissing, NotInDoubt, MoneyWasTaken.
    """
    payment = _check(payment_id, reason)
    provider = get_provider(payment.provider)
    found = _ask(provider, payment)
    if found is not None and found.state not in _TOOK_NOTHING:
        if found.state is not PaymentState.SUCCEEDED:
            found = provider.release(idempotency_key=f"{payment.idempotency_key}:called_off", reference=found.reference)
        if found.state not in _TOOK_NOTHING:
            raise MoneyWasTaken
    return _close(payment, found, "payment_closed_unpaid", actor_id, reason)


def give_back(*, payment_id: int, actor_id: int, reason: str) -> Payment:
    """Send back what the provider took by mistake (another amount than was asked for), and close the payment.

    It was never booked, so nothing is posted. Sent any number of times it gives back once. Talks to the provider;
    raises ReasonMissing, NotInDoubt, NothingWasTaken, RightAmountTaken, RequestRefused.
    """
    payment = _check(payment_id, reason)
    provider = get_provider(payment.provider)
    found = _ask(provider, payment)
    if found is None or found.state is not PaymentState.SUCCEEDED:
        raise NothingWasTaken
    if found.captured == _amount(payment) and found.idempotency_key == payment.idempotency_key:
        raise RightAmountTaken
    given = provider.refund(RefundRequest(f"{payment.idempotency_key}:undone", found.reference, found.captured))
    if given.state not in (PaymentState.SUCCEEDED, PaymentState.PENDING):
        raise MoneyWasTaken
    return _close(payment, found, "payment_given_back", actor_id, reason, taken=found.captured)


def _check(payment_id: int, reason: str) -> Payment:
    if not reason.strip():
        raise ReasonMissing
    payment = Payment.objects.get(pk=payment_id)
    # What is taken of a hold is the hold's to decide.
    if not is_doubtful(payment, clock.now()) or captured_by(payment) is not None:
        raise NotInDoubt
    return payment


def _ask(provider: PaymentProvider, payment: Payment) -> ProviderResult | None:
    return provider.fetch(idempotency_key=payment.idempotency_key, reference=payment.provider_reference)


@transaction.atomic
def _close(
    payment: Payment, found: ProviderResult | None, action: str, actor_id: int, reason: str, taken: Money | None = None
) -> Payment:
    """Record that nothing stays taken, as a cancellation is recorded. Locks as `record_payment_result`."""
    known = found or ProviderResult(
        reference=payment.provider_reference,
        idempotency_key=payment.idempotency_key,
        state=PaymentState.CANCELLED,
        amount=_amount(payment),
        captured=Money(Decimal(0), payment.currency),
    )
    closed = record_payment_result(
        payment_id=payment.pk,
        result=replace(
            known,
            state=PaymentState.CANCELLED,
            idempotency_key=payment.idempotency_key,
            amount=_amount(payment),
            decline_class=None,
        ),
    )
    if closed.status != Payment.Status.CANCELLED:
        raise NotInDoubt
    _note(closed, action, actor_id, reason, taken)
    return closed


def _note(payment: Payment, action: str, actor_id: int, reason: str, taken: Money | None = None) -> None:
    data = {"key": payment.idempotency_key, "status": payment.status}
    if taken is not None:
        data |= {"given_back": str(taken.amount), "currency": str(taken.currency)}
    audit.record(actor_id=actor_id, action=action, subject=payment, reason=reason, data=data)


def _amount(payment: Payment) -> Money:
    return quantize(Money(payment.amount, payment.currency))
