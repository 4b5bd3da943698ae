"""Amounts a card is not charged alone: they wait, and go along with the next payment that is large enough.

A provider takes nothing below its minimum. A leg below it stays due until the driver's small legs together reach the
minimum, or a larger leg is charged; that payment takes them along (`FundingLeg.collected_with`). While it is open they
share its fate; when it comes to nothing they wait again.
"""

from decimal import Decimal

from django.db.models import F, QuerySet

from billing.models import FundingLeg, Payment
from billing.providers.registry import least_charge
from billing.selectors.payments import OPEN_LEG_SOURCES
from billing.services.hold_captures import hold_of
from billing.services.legs import mark_leg
from billing.services.payment_locks import lock_legs

State = FundingLeg.State
_UNDER_WAY = (State.ATTEMPTING, State.REQUIRES_ACTION)


def lock_with_small_legs(leg_id: int, *, is_early: bool) -> tuple[FundingLeg, list[FundingLeg]]:
    """A leg and the driver's small legs that may go along with its payment, as they are now, oldest first.

    `is_early` is the driver's own wish to pay: then also what no card was meant for goes along.
    Locks: their ChargingSessions, then the FundingLegs.
    """
    wanted = FundingLeg.objects.select_related("cdr__charging_session").get(pk=leg_id)
    small_ids = list(_small_legs(wanted, is_early=is_early).values_list("pk", flat=True))
    leg_ids = [leg_id, *small_ids]
    legs = {leg.pk: leg for leg in lock_legs(leg_ids)}
    along = [leg for pk, leg in legs.items() if pk != leg_id and leg.state == State.DUE and hold_of(leg) is None]
    return legs[leg_id], along


def _small_legs(leg: FundingLeg, *, is_early: bool) -> QuerySet[FundingLeg]:
    driver_id = leg.cdr.charging_session.driver_id
    if driver_id is None:
        return FundingLeg.objects.none()
    return FundingLeg.objects.filter(
        cdr__charging_session__driver_id=driver_id,
        cdr__currency=leg.cdr.currency,
        state=State.DUE,
        source__in=OPEN_LEG_SOURCES if is_early else [FundingLeg.Source.CARD],
        amount__lt=F("refunded") + least_charge(leg.cdr.currency),
    ).exclude(pk=leg.pk)


def is_enough(leg: FundingLeg, along: list[FundingLeg]) -> bool:
    """True when the provider charges the leg with what goes along."""
    return together(leg, along) >= least_charge(leg.cdr.currency)


def together(leg: FundingLeg, along: list[FundingLeg]) -> Decimal:
    return sum((other.left for other in along), leg.left)


def let_wait(leg: FundingLeg) -> None:
    """A locked leg that is too small alone has no date of its own any more: it waits for others."""
    if leg.state == State.RETRYING:
        leg.payments.filter(next_attempt_at__isnull=False).update(next_attempt_at=None)
        mark_leg(leg_id=leg.pk, state=State.DUE)


def take_along(payment: Payment, along: list[FundingLeg]) -> None:
    """Tie locked small legs to the payment that is about to be sent for all of them."""
    FundingLeg.objects.filter(pk__in=[leg.pk for leg in along]).update(collected_with=payment)
    for leg in along:
        mark_leg(leg_id=leg.pk, state=State.ATTEMPTING)


def legs_along(payment: Payment) -> list[FundingLeg]:
    """The legs a locked payment has taken along and not paid yet; their sessions are locked with it."""
    return list(payment.legs_along.filter(state__in=_UNDER_WAY).order_by("pk"))


def pay_along(payment: Payment) -> Decimal:
    """The payment has succeeded: so are the legs it took along; what they owed."""
    legs = legs_along(payment)
    for leg in legs:
        mark_leg(leg_id=leg.pk, state=State.PAID)
    return sum((leg.left for leg in legs), Decimal(0))


def move_along(payment: Payment, state: str) -> None:
    """The legs a payment took along wait for the driver with it, or, when it came to nothing, for another payment."""
    legs = legs_along(payment)
    if state == State.REQUIRES_ACTION:
        for leg in legs:
            mark_leg(leg_id=leg.pk, state=state)
        return
    payment.legs_along.filter(pk__in=[leg.pk for leg in legs]).update(collected_with=None)
    for leg in legs:
        mark_leg(leg_id=leg.pk, state=State.DUE)
