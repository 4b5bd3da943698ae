"""Collecting what is open by the driver's own doing: a new card, or a press of “Pay now”."""

from django.db.models import Q

from billing.models import FundingLeg, Payment
from billing.providers.errors import ProviderUnavailable
from billing.selectors.payments import open_legs
from billing.services.payment_sweep import call_off
from billing.services.payments import collect_leg, record_payment_result


def retry_open_debt(*, driver_id: int, method_id: int | None = None) -> list[Payment]:
    """Try everything a driver owes now, oldest first, whatever its next date was; returns the payments made.

    With `method_id`, a card just added: on that card, and only what has not been tried on it, so that a repeat tries
    nothing twice. What waits for the driver's confirmation on another card is called off first, so that it cannot be
    paid twice; what is being charged is left alone. Talks to the provider.
    """
    legs = open_legs(driver_id)
    if method_id is not None:
        legs = legs.exclude(payments__method_id=method_id)
    made = []
    for leg_id in list(legs.values_list("pk", flat=True)):
        call_off_waiting(leg_id=leg_id)
        payment = collect_leg(leg_id=leg_id, is_early=True, method_id=method_id)
        if payment is not None:
            made.append(payment)
    return made


def call_off_waiting(*, leg_id: int) -> None:
    """Cancel the payment of a leg that waits for its driver; it stays as it is while the provider does not answer."""
    waiting = Payment.objects.filter(
        Q(funding_leg_id=leg_id) | Q(legs_along=leg_id),
        status=Payment.Status.REQUIRES_ACTION,
        funding_leg__state=FundingLeg.State.REQUIRES_ACTION,
    ).first()
    if waiting is None:
        return
    try:
        result = call_off(waiting)
    except ProviderUnavailable:
        return
    record_payment_result(payment_id=waiting.pk, result=result)
