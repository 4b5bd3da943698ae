"""A payment, or what it pays for, locked in the written order (docs/locking.md)."""

from billing.models import ChargingSession, FundingLeg, Payment
from common.locking import lock_row


def lock_leg(leg_id: int) -> FundingLeg:
    """A leg with its Cdr and session, as they are now. Locks: the ChargingSession, then the FundingLeg."""
    lock_row(ChargingSession.objects.filter(cdr__legs__pk=leg_id))
    return lock_row(FundingLeg.objects.filter(pk=leg_id).select_related("cdr__charging_session"))


def lock_payment(payment_id: int) -> Payment:
    """A payment with its leg, as they are now. Locks: the ChargingSession, the FundingLeg, then the Payment."""
    leg_id = Payment.objects.values_list("funding_leg_id", flat=True).get(pk=payment_id)
    leg = None if leg_id is None else lock_leg(leg_id)
    payment = lock_row(Payment.objects.filter(pk=payment_id))
    payment.funding_leg = leg
    return payment
