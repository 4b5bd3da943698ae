"""Funding legs move from due to paid; the session's payment status moves with them, in one transaction."""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from django.db import transaction

from billing.models import ChargingSession, FundingLeg
from common.locking import lock_row, lock_rows
from common.states import check_step

State = FundingLeg.State
PaymentStatus = ChargingSession.PaymentStatus

# Money that came in, even where some of it was given back later.
_SETTLED = frozenset({State.PAID, State.REFUNDED})


@transaction.atomic
def mark_leg(*, leg_id: int, state: str) -> FundingLeg:
    """Move one funding leg to `state` and refresh its session's payment status. A repeat changes nothing.

    Call it before posting anything: locks the ChargingSession row, then the session's FundingLeg rows
    (docs/locking.md). Raises InvalidTransition for a step `FundingLeg.TRANSITIONS` does not have.
    """
    session = lock_row(ChargingSession.objects.filter(cdr__legs__pk=leg_id))
    legs = {leg.pk: leg for leg in lock_rows(FundingLeg.objects.filter(cdr__charging_session=session))}
    leg = legs[leg_id]
    if check_step(FundingLeg.TRANSITIONS, leg.state, state):
        leg.state = state
        leg.save(update_fields=["state"])
        _refresh_payment_status(session, legs.values())
    return leg


def take_off_legs(*, session: ChargingSession, parts: Mapping[int, Decimal]) -> None:
    """Take refunded `parts` (by leg id) off the legs of a locked session; one of which nothing is left is refunded."""
    legs = {leg.pk: leg for leg in lock_rows(FundingLeg.objects.filter(cdr__charging_session=session))}
    for leg_id, part in parts.items():
        leg = legs[leg_id]
        leg.refunded += part
        if not leg.left:
            check_step(FundingLeg.TRANSITIONS, leg.state, State.REFUNDED)
            leg.state = State.REFUNDED
            # It is owed no longer, so it is not tried again.
            leg.payments.filter(next_attempt_at__isnull=False).update(next_attempt_at=None)
        leg.save(update_fields=["refunded", "state"])
    _refresh_payment_status(session, legs.values())


def _refresh_payment_status(session: ChargingSession, legs: Iterable[FundingLeg]) -> None:
    status = payment_status([leg.state for leg in legs])
    if status != session.payment_status:
        session.payment_status = status
        session.save(update_fields=["payment_status"])


def payment_status(states: Collection[str]) -> str:
    """What a session's legs say about its payment: paid when all are, partly when some are, else due."""
    if not states:
        return PaymentStatus.NOTHING_DUE
    settled = sum(state in _SETTLED for state in states)
    if settled == len(states):
        return PaymentStatus.PAID
    return PaymentStatus.PARTIALLY_PAID if settled else PaymentStatus.DUE
