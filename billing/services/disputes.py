"""Disputes: what the provider says of one is written down and booked.

The provider tells a dispute's present state and all the money it has moved so far; each movement is posted once, when
it is first seen. So any order and any repetition of the news ends in the same rows and the same postings.
"""

import logging
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from accounts.services import audit
from billing.domain.postings import AccountRef, Posting, credit, debit, receivable, system
from billing.models import Dispute, LedgerTransaction, Payment
from billing.providers.base import DisputeResult
from billing.services import ledger
from billing.services.payment_locks import lock_payment
from common import clock
from common.locking import lock_row
from common.states import may_step

log = logging.getLogger(__name__)

Status = Dispute.Status
LostAs = Dispute.LostAs


@transaction.atomic
def record_dispute(*, payment_id: int, result: DisputeResult) -> Dispute:
    """Write down what the provider says of a payment's dispute, and post what it has moved, together.

    Idempotent, in any order: a repeat changes nothing, and a state from before a later one is dropped. What is lost is
    owed by the customer again or is our loss, as the setting DISPUTES_LOST says at that moment. Money of another
    currency, or other money than was posted, is not booked: `problem` says so.
    Locks: the ChargingSession, the FundingLeg, the Payment, the Dispute, the receivable when it is lost.
    """
    payment = lock_payment(payment_id)
    dispute = _row_of(payment, result)
    if may_step(Dispute.TRANSITIONS, dispute.status, str(result.state)):
        _move(dispute, str(result.state))
        dispute.evidence_due_at = result.evidence_due_at or dispute.evidence_due_at
    problem = _problem(dispute, result)
    if problem and problem != dispute.problem:
        log.error("dispute %s is not booked: %s", dispute.provider_reference, problem)
    dispute.problem = problem
    if not problem:
        _book(dispute, result)
    dispute.save()
    return dispute


def _row_of(payment: Payment, result: DisputeResult) -> Dispute:
    """The dispute as it stands, written down when it is news. Its payment is locked."""
    known = Dispute.objects.filter(provider=payment.provider, provider_reference=result.reference).first()
    if known is not None:
        dispute = lock_row(Dispute.objects.filter(pk=known.pk))
        dispute.payment = payment
        return dispute
    is_closed = str(result.state) not in Dispute.OPEN
    dispute = Dispute.objects.create(
        payment=payment,
        provider=payment.provider,
        provider_reference=result.reference,
        amount=result.amount.amount,
        reason=result.reason[:60],
        status=str(result.state),
        opened_at=result.opened_at,
        evidence_due_at=result.evidence_due_at,
        closed_at=clock.now() if is_closed else None,
    )
    audit.record(actor_id=None, action="dispute_opened", subject=dispute, reason=dispute.reason)
    return dispute


def _move(dispute: Dispute, status: str) -> None:
    if dispute.status == status:
        return
    dispute.status = status
    dispute.closed_at = None if status in Dispute.OPEN else clock.now()
    audit.record(actor_id=None, action=f"dispute_{status}", subject=dispute)


def _problem(dispute: Dispute, result: DisputeResult) -> str:
    """Why nothing more is booked of a dispute; empty when it can be."""
    if str(result.amount.currency) != dispute.payment.currency:
        return "another_currency"
    if dispute.payment.status != Payment.Status.SUCCEEDED:
        return "payment_not_paid"
    was_withdrawn, was_reinstated = dispute.withdrawal_id is not None, dispute.reinstatement_id is not None
    told = (result.withdrawn.amount, result.fee.amount)
    if was_withdrawn and result.withdrawn.amount and told != (dispute.withdrawn, dispute.fee):
        return "other_money_withdrawn"
    told = (result.reinstated.amount, result.fee_returned.amount)
    if was_reinstated and result.reinstated.amount and told != (dispute.reinstated, dispute.fee_returned):
        return "other_money_reinstated"
    return ""


def _book(dispute: Dispute, result: DisputeResult) -> None:
    """Post what is new: money withdrawn, money given back, and what a lost dispute leaves."""
    currency = dispute.payment.currency
    clearing, fees, disputed = (system(code, currency) for code in ("psp_clearing", "psp_fees", "disputed"))
    if dispute.withdrawal_id is None and result.withdrawn.amount > 0:
        dispute.withdrawn, dispute.fee = result.withdrawn.amount, result.fee.amount
        dispute.withdrawal = _post(
            dispute,
            "withdrawn",
            event="dispute_withdrawn",
            postings=[
                debit(disputed, dispute.withdrawn),
                debit(fees, dispute.fee),
                credit(clearing, dispute.withdrawn + dispute.fee),
            ],
        )
    if dispute.withdrawal_id is None:
        return
    if dispute.reinstatement_id is None and result.reinstated.amount > 0:
        dispute.reinstated, dispute.fee_returned = result.reinstated.amount, result.fee_returned.amount
        # What was booked as lost by then comes back to where it was booked.
        source = disputed if dispute.loss_id is None else _bearer(dispute)
        dispute.reinstatement = _post(
            dispute,
            "reinstated",
            event="dispute_reinstated",
            postings=[
                debit(clearing, dispute.reinstated + dispute.fee_returned),
                credit(source, dispute.reinstated),
                credit(fees, dispute.fee_returned),
            ],
        )
    left = dispute.withdrawn - dispute.reinstated
    if dispute.status == Status.LOST and dispute.loss_id is None and left > 0:
        # Who paid without an account cannot be asked to pay again.
        has_customer = dispute.payment.driver_id is not None
        dispute.lost_as = settings.DISPUTES_LOST if has_customer else LostAs.LOSS
        dispute.loss = _post(
            dispute,
            "lost",
            event="dispute_lost",
            postings=[debit(_bearer(dispute), left), credit(disputed, left)],
        )


def _bearer(dispute: Dispute) -> AccountRef:
    """Whose a lost dispute is: the customer's again, or ours."""
    payment = dispute.payment
    if dispute.lost_as == LostAs.RECEIVABLE:
        return receivable(payment.driver_id, payment.currency)
    return system("bad_debt", payment.currency)


def _post(dispute: Dispute, suffix: str, *, event: str, postings: Sequence[Posting]) -> LedgerTransaction:
    leg = dispute.payment.funding_leg
    return ledger.post(
        idempotency_key=f"dispute:{dispute.provider}:{dispute.provider_reference}:{suffix}",
        event=event,
        occurred_at=clock.now(),
        currency=dispute.payment.currency,
        postings=[posting for posting in postings if posting.amount],
        reference=str(leg.cdr.charging_session.public_id) if leg else f"driver:{dispute.payment.driver_id}",
        note=dispute.reason,
    )


@transaction.atomic
def note_dispute(*, dispute_id: int, note: str, actor_id: int) -> Dispute:
    """Write an operator's note on a dispute; the notes before it stay in the audit trail. Locks: the Dispute."""
    dispute = lock_row(Dispute.objects.filter(pk=dispute_id))
    if dispute.note != note:
        dispute.note = note
        dispute.save(update_fields=["note"])
        audit.record(actor_id=actor_id, action="dispute_noted", subject=dispute, reason=note)
    return dispute
