"""A payment, or what it pays for, locked in the written order (docs/locking.md)."""

from collections.abc import Collection

from billing.models import Cdr, ChargingSession, FundingLeg, Payment
from common.locking import lock_row, lock_rows


def lock_leg(leg_id: int) -> FundingLeg:
    """A leg with its Cdr and session, as they are now. Locks: the ChargingSession, then the FundingLeg."""
    lock_row(ChargingSession.objects.filter(cdr__legs__pk=leg_id))
    return lock_row(FundingLeg.objects.filter(pk=leg_id).select_related("cdr__charging_session"))


def lock_legs(leg_ids: Collection[int]) -> list[FundingLeg]:
    """The same of several legs at once. Locks: their ChargingSessions, then the FundingLegs."""
    cdrs = Cdr.objects.filter(legs__pk__in=leg_ids)
    lock_rows(ChargingSession.objects.filter(pk__in=cdrs.values("charging_session_id")))
    return lock_rows(FundingLeg.objects.filter(pk__in=leg_ids).select_related("cdr__charging_session"))


def lock_payment(payment_id: int) -> Payment:
    """A payment with its leg, as they are now, and locked with those it takes along.

    Locks: the ChargingSessions, the FundingLegs, then the Payment.
    """
    leg = _lock_legs_of(payment_id)
    payment = lock_row(Payment.objects.filter(pk=payment_id))
    payment.funding_leg = leg
    return payment


def _lock_legs_of(payment_id: int) -> FundingLeg | None:
    leg_id = Payment.objects.values_list("funding_leg_id", flat=True).get(pk=payment_id)
    if leg_id is None:
        return None
    along = FundingLeg.objects.filter(collected_with_id=payment_id).values_list("pk", flat=True)
    legs = {leg.pk: leg for leg in lock_legs([leg_id, *along])}
    return legs[leg_id]
