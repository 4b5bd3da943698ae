"""Giving up what cannot be collected, and taking it back when it is paid after all."""

from decimal import Decimal

from django.db import transaction

from accounts.services import audit
from billing.domain.postings import credit, debit, receivable, system
from billing.errors import NotWrittenOff, ReasonMissing
from billing.models import FundingLeg, Payment
from billing.services import ledger
from billing.services.legs import mark_leg
from billing.services.payment_locks import lock_leg
from common import clock
from common.states import may_step

State = FundingLeg.State


@transaction.atomic
def write_off_leg(*, leg_id: int, actor_id: int | None, reason: str) -> FundingLeg:
    """Give up what a leg still owes: posted Dr bad_debt, Cr receivable; nothing tries to collect it any more.

    `actor_id` is None where a rule gives it up (billing.services.ad_hoc). A repeat is a no-op. A payment that comes in
    after all takes it back (`recover_write_off`).
    Locks: the ChargingSession, its FundingLegs, the receivable. Raises ReasonMissing, NotWrittenOff.
    """
    if not reason.strip():
        raise ReasonMissing
    leg = lock_leg(leg_id)
    if leg.state == State.WRITTEN_OFF:
        return leg
    session, currency = leg.cdr.charging_session, leg.cdr.currency
    if not may_step(FundingLeg.TRANSITIONS, leg.state, State.WRITTEN_OFF):
        raise NotWrittenOff
    leg = mark_leg(leg_id=leg_id, state=State.WRITTEN_OFF)
    leg.payments.filter(next_attempt_at__isnull=False).update(next_attempt_at=None)
    ledger.post(
        idempotency_key=f"session:{session.public_id}:leg:{leg.seq}:written_off",
        event="debt_written_off",
        occurred_at=clock.now(),
        currency=currency,
        postings=[
            debit(system("bad_debt", currency), leg.left),
            credit(receivable(session.driver_id, currency), leg.left),
        ],
        reference=str(session.public_id),
        note=reason[:200],
    )
    audit.record(
        actor_id=actor_id,
        action="debt_written_off",
        subject=session,
        reason=reason,
        data={"amount": str(leg.left), "currency": currency, "leg": leg.seq},
    )
    return leg


def recover_write_off(*, payment: Payment, leg: FundingLeg) -> None:
    """A written-off leg is paid: it is owed again, and the payment has paid it. In the caller's transaction."""
    currency = payment.currency
    owed: Decimal = leg.left
    ledger.post(
        idempotency_key=f"{payment.idempotency_key}:recovered",
        event="write_off_recovered",
        occurred_at=clock.now(),
        currency=currency,
        postings=[debit(receivable(payment.driver_id, currency), owed), credit(system("bad_debt", currency), owed)],
        reference=str(leg.cdr.charging_session.public_id),
    )
