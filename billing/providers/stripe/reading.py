"""Stripe's objects in our words."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import stripe

from billing.providers.base import (
    CardDetails,
    DisputeResult,
    DisputeState,
    PaymentState,
    ProviderResult,
    RefundResult,
    SetupState,
)
from billing.providers.errors import ProviderUnavailable
from billing.providers.stripe.amounts import from_stripe, money_of
from billing.providers.stripe.declines import decline_class

KEY = "idempotency_key"
STATES = {
    "canceled": PaymentState.CANCELLED,
    "processing": PaymentState.PENDING,
    "requires_action": PaymentState.REQUIRES_ACTION,
    "requires_capture": PaymentState.HELD,
    "requires_confirmation": PaymentState.PENDING,
    # Nothing is confirmed without a card, so a payment in want of one was declined.
    "requires_payment_method": PaymentState.DECLINED,
    "succeeded": PaymentState.SUCCEEDED,
}
REFUND_STATES = {
    "canceled": PaymentState.CANCELLED,
    "failed": PaymentState.DECLINED,
    "pending": PaymentState.PENDING,
    "requires_action": PaymentState.PENDING,
    "succeeded": PaymentState.SUCCEEDED,
}
SETUP_STATES = {"complete": SetupState.SUCCEEDED, "expired": SetupState.DECLINED}
_DISPUTE_STATES = {
    "warning_needs_response": DisputeState.INQUIRY,
    "warning_under_review": DisputeState.INQUIRY,
    "warning_closed": DisputeState.INQUIRY_CLOSED,
    "prevented": DisputeState.INQUIRY_CLOSED,
    "needs_response": DisputeState.NEEDS_RESPONSE,
    "under_review": DisputeState.UNDER_REVIEW,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}


def payment_of(intent: stripe.PaymentIntent, *, is_listed: bool = False) -> ProviderResult:
    """A PaymentIntent as a payment or hold. Of one in a list the bank's page is left out.

    Raises ProviderUnavailable when the bank's page is wanted and not there (yet): the sweep asks again.
    """
    state = STATES[intent.status]
    amount, captured = money_of(intent)
    code = _decline_code(intent) if state is PaymentState.DECLINED else ""
    return ProviderResult(
        reference=intent.id,
        idempotency_key=key_of(intent),
        state=state,
        amount=amount,
        captured=captured,
        decline_class=decline_class(code) if state is PaymentState.DECLINED else None,
        decline_code=code,
        action_url=_action_url(intent) if state is PaymentState.REQUIRES_ACTION and not is_listed else "",
        expires_at=_hold_expiry(intent) if state is PaymentState.HELD else None,
    )


def refund_of(refund: stripe.Refund) -> RefundResult:
    return RefundResult(
        reference=refund.id,
        payment_reference=reference_of(refund.payment_intent),
        idempotency_key=key_of(refund),
        state=REFUND_STATES[refund.status or "pending"],
        amount=from_stripe(refund.amount, refund.currency),
        failure_code=getattr(refund, "failure_reason", None) or "",
    )


def dispute_of(dispute: stripe.Dispute) -> DisputeResult:
    """A dispute with the money it has moved so far.

    Money settled in another currency than the payment's is told as the disputed amount, without its fee: only that can
    be booked against the payment.
    """
    currency = dispute.currency
    moves = {"withdrawn": 0, "fee": 0, "reinstated": 0, "fee_returned": 0}
    for move in dispute.balance_transactions:
        is_same = move.currency == currency
        side, fee = ("withdrawn", "fee") if move.amount < 0 else ("reinstated", "fee_returned")
        moves[side] += abs(move.amount) if is_same else dispute.amount
        if is_same:
            moves[fee] += abs(move.fee)
    due_by = dispute.evidence_details.due_by
    return DisputeResult(
        reference=dispute.id,
        payment_reference=reference_of(dispute.payment_intent),
        state=_DISPUTE_STATES.get(dispute.status, DisputeState.UNDER_REVIEW),
        amount=from_stripe(dispute.amount, currency),
        reason=dispute.reason,
        opened_at=datetime.fromtimestamp(dispute.created, UTC),
        evidence_due_at=None if due_by is None else datetime.fromtimestamp(due_by, UTC),
        **{name: from_stripe(units, currency) for name, units in moves.items()},
    )


def key_of(made: stripe.PaymentIntent | stripe.Refund) -> str:
    """Our key; empty for what somebody made on Stripe's own pages."""
    metadata: Any = made.metadata
    return str(metadata[KEY]) if metadata and KEY in metadata else ""


def _decline_code(intent: stripe.PaymentIntent) -> str:
    error = intent.last_payment_error
    if error is None:
        return ""
    return str(getattr(error, "decline_code", "") or error.code or "")


def _action_url(intent: stripe.PaymentIntent) -> str:
    action = intent.next_action
    redirect = action.redirect_to_url if action is not None and action.type == "redirect_to_url" else None
    if redirect is None or not redirect.url:
        raise ProviderUnavailable
    return redirect.url


def _hold_expiry(intent: stripe.PaymentIntent) -> datetime | None:
    charge: Any = intent.latest_charge
    card = charge.payment_method_details.card if charge is not None and not isinstance(charge, str) else None
    until = getattr(card, "capture_before", None)
    return None if until is None else datetime.fromtimestamp(until, UTC)


def card_of(setup: Any) -> CardDetails | None:
    if setup is None or isinstance(setup, str) or setup.status != "succeeded":
        return None
    method = setup.payment_method
    return CardDetails(
        reference=method.id,
        brand=method.card.brand,
        last4=method.card.last4,
        expires_on=_last_day(method.card.exp_year, method.card.exp_month),
    )


def _last_day(year: int, month: int) -> date:
    """A card is good for all of the month it names."""
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def reference_of(thing: Any) -> str:
    """An object's reference, whether Stripe sent the object or only that."""
    return "" if thing is None else thing if isinstance(thing, str) else thing.id
