"""Taking a leg's amount out of what its session holds on a card.

The payment is claimed, recorded and swept like any other (billing.services.payments); what differs is what the provider
is asked.
"""

from dataclasses import replace
from datetime import datetime

from djmoney.money import Money

from billing.models import FundingLeg, Hold, Payment
from billing.providers.base import CaptureRequest, PaymentState, ProviderResult
from billing.providers.errors import RequestRefused
from billing.providers.registry import get_provider
from billing.services.hold_releases import open_card_holds
from common import clock
from common.money import quantize


def hold_of(leg: FundingLeg) -> Hold | None:
    """The open hold that is to pay a leg of a locked session. None: charge the card."""
    if leg.source != FundingLeg.Source.CARD:
        return None
    return open_card_holds().filter(charging_session_id=leg.cdr.charging_session_id).first()


def may_capture(hold: Hold) -> bool:
    """False while nobody knows whether the bank has agreed, or it is being let go: the leg waits for that."""
    return hold.status == Hold.Status.ACTIVE and hold.release_asked_at is None


def claim_capture(hold: Hold, payment: Payment) -> None:
    """Tie a hold of a locked session to the payment that captures it."""
    hold.payment = payment
    hold.save(update_fields=["payment"])


def captured_by(payment: Payment) -> Hold | None:
    """The hold a payment takes its money from."""
    return payment.holds.first()


def ask_to_capture(payment: Payment, hold: Hold) -> ProviderResult:
    """Take a payment's amount of the hold; the rest is let go at once. One that cannot be taken is read again.

    Raises ProviderUnavailable, IdempotencyMismatch.
    """
    provider = get_provider(payment.provider)
    request = CaptureRequest(payment.idempotency_key, hold.provider_reference, _amount(payment))
    try:
        return as_payment(payment, hold, provider.capture(request))
    except RequestRefused:
        found = provider.fetch(idempotency_key=hold.idempotency_key, reference=hold.provider_reference)
        if found is None or found.state is PaymentState.HELD:
            raise
        return as_payment(payment, hold, found)


def fetch_capture(payment: Payment, hold: Hold) -> ProviderResult | None:
    """Read again what became of a capture; None: it never arrived, and the amount is still held."""
    found = get_provider(payment.provider).fetch(
        idempotency_key=hold.idempotency_key, reference=hold.provider_reference
    )
    if found is None or found.state is PaymentState.HELD:
        return None
    return as_payment(payment, hold, found)


def as_payment(payment: Payment, hold: Hold, result: ProviderResult) -> ProviderResult:
    """What the provider says of the hold, as an answer about the payment: how much was taken, not how much was held."""
    if result.idempotency_key != hold.idempotency_key:
        return result
    amount = result.captured if result.state is PaymentState.SUCCEEDED else _amount(payment)
    return replace(result, idempotency_key=payment.idempotency_key, amount=amount)


def record_capture(payment: Payment, moment: datetime) -> None:
    """A payment has finished: so has the hold it was to be taken from. In the payment's own transaction.

    A hold whose capture the bank declined is let go by the sweep; the leg is charged to the card.
    """
    hold = captured_by(payment)
    if hold is None or hold.status not in Hold.OPEN:
        return
    if payment.status == Payment.Status.SUCCEEDED:
        hold.status, hold.captured_amount = Hold.Status.CAPTURED, payment.amount
    elif payment.status == Payment.Status.CANCELLED:
        hold.status = Hold.Status.EXPIRED
    else:
        hold.release_asked_at, hold.reread_at = moment, clock.now()
        hold.save(update_fields=["release_asked_at", "reread_at"])
        return
    hold.resolved_at, hold.reread_at = moment, None
    hold.save(update_fields=["status", "captured_amount", "resolved_at", "reread_at"])


def _amount(payment: Payment) -> Money:
    return quantize(Money(payment.amount, payment.currency))
