"""Disputes at the fake bank: a cardholder asks for the money of a payment back.

data of a dispute: payment, amount, currency, reason, opened_at, evidence_due_at, withdrawn, fee, reinstated,
fee_returned (amounts as strings). Each step is one transaction of the provider's and announced by a webhook.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.models import FakeProviderObject
from billing.providers.base import DisputeState
from billing.providers.errors import RequestRefused
from billing.providers.fake import post
from common import clock
from common.ids import new_code
from common.locking import lock_row

Kind = FakeProviderObject.Kind
FEE = Decimal("15.00")
ANSWER_WITHIN = timedelta(days=7)


@transaction.atomic
def open_dispute(
    *, payment_reference: str, amount: Decimal | None = None, reason: str = "fraudulent", is_inquiry: bool = False
) -> FakeProviderObject:
    """The cardholder disputes a payment, or so much of it; an inquiry only asks. Raises RequestRefused."""
    payment = FakeProviderObject.objects.filter(kind=Kind.PAYMENT, reference=payment_reference).first()
    if payment is None or not Decimal(payment.data["captured"]):
        raise RequestRefused("Only what was taken can be disputed.")
    now = clock.now()
    made = FakeProviderObject.objects.create(
        kind=Kind.DISPUTE,
        reference=f"fake_dispute_{new_code(16).lower()}",
        state=DisputeState.INQUIRY if is_inquiry else DisputeState.NEEDS_RESPONSE,
        data={
            "payment": payment.reference,
            "amount": str(amount or payment.data["captured"]),
            "currency": payment.data["currency"],
            "reason": reason,
            "opened_at": now.isoformat(),
            "evidence_due_at": (now + ANSWER_WITHIN).isoformat(),
            "withdrawn": "0",
            "fee": "0",
            "reinstated": "0",
            "fee_returned": "0",
        },
    )
    _announce("dispute.opened", made)
    return made


@transaction.atomic
def withdraw_funds(dispute_reference: str) -> FakeProviderObject:
    """The bank takes the disputed money, and the provider its fee; an inquiry has become a dispute."""
    dispute = _lock(dispute_reference)
    state = DisputeState.NEEDS_RESPONSE if dispute.state == DisputeState.INQUIRY else dispute.state
    return _change(dispute, "dispute.funds_withdrawn", state, withdrawn=dispute.data["amount"], fee=str(FEE))


@transaction.atomic
def hand_in_evidence(dispute_reference: str) -> FakeProviderObject:
    """We have answered; the bank decides."""
    dispute = _lock(dispute_reference)
    is_open = dispute.state == DisputeState.NEEDS_RESPONSE
    return _change(dispute, "dispute.updated", DisputeState.UNDER_REVIEW if is_open else dispute.state)


@transaction.atomic
def close_dispute(dispute_reference: str, *, is_won: bool) -> FakeProviderObject:
    """The bank has decided. What was won comes back by `reinstate_funds`."""
    dispute = _lock(dispute_reference)
    if dispute.state == DisputeState.INQUIRY:
        state = DisputeState.INQUIRY_CLOSED if is_won else DisputeState.LOST
    else:
        state = DisputeState.WON if is_won else DisputeState.LOST
    return _change(dispute, "dispute.closed", state)


@transaction.atomic
def reinstate_funds(dispute_reference: str) -> FakeProviderObject:
    """The disputed money comes back; the fee does not."""
    dispute = _lock(dispute_reference)
    return _change(dispute, "dispute.funds_reinstated", dispute.state, reinstated=dispute.data["withdrawn"])


@transaction.atomic
def find_dispute(reference: str) -> FakeProviderObject | None:
    """The dispute as it stands, with what time alone has made of it: one that nobody answered is lost."""
    found = FakeProviderObject.objects.filter(kind=Kind.DISPUTE, reference=reference).first()
    if found is None or found.state != DisputeState.NEEDS_RESPONSE:
        return found
    if datetime.fromisoformat(found.data["evidence_due_at"]) <= clock.now():
        return _change(_lock(reference), "dispute.closed", DisputeState.LOST)
    return found


def _lock(reference: str) -> FakeProviderObject:
    return lock_row(FakeProviderObject.objects.filter(kind=Kind.DISPUTE, reference=reference))


def _change(dispute: FakeProviderObject, kind: str, state: str, **data: Any) -> FakeProviderObject:
    dispute.state, dispute.data = state, {**dispute.data, **data}
    dispute.save(update_fields=["state", "data"])
    _announce(kind, dispute)
    return dispute


def _announce(kind: str, dispute: FakeProviderObject) -> None:
    post.announce(kind, subject="dispute", reference=dispute.reference)
