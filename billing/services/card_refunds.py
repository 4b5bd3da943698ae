"""Giving money back through the provider: claim, commit, call, record, as charging does (billing.services.payments).

A refund of a session credits the driver's receivable when it is decided; the provider's answer moves that from the
receivable to what it keeps for us. So a refund that fails leaves us owing the driver, visibly, until it is tried again
or paid out another way.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django_q.tasks import async_task
from djmoney.money import Money

from accounts.services import audit
from billing.domain import retries
from billing.domain.postings import AccountRef, credit, debit, receivable, system
from billing.errors import PaymentDisputed, ReasonMissing, RefundNotFailed, RefundTooLarge
from billing.models import LedgerTransaction, Payment, Refund
from billing.providers.base import PaymentState, RefundRequest, RefundResult
from billing.providers.errors import IdempotencyMismatch, ProviderUnavailable, RequestRefused
from billing.providers.registry import get_provider
from billing.selectors.disputes import withdrawn_of
from billing.selectors.refunds import refundable_payments
from billing.services import ledger
from billing.services.payment_locks import lock_payment
from common import clock
from common.locking import lock_row, lock_rows
from common.money import quantize
from common.states import may_step

log = logging.getLogger(__name__)

Status = Refund.Status
# What the provider's answer makes of our refund.
_STATUS = {
    PaymentState.SUCCEEDED: Status.SUCCEEDED,
    PaymentState.PENDING: Status.PENDING,
    PaymentState.DECLINED: Status.FAILED,
    PaymentState.CANCELLED: Status.FAILED,
}


def claim_refunds(*, parts: Mapping[int, Decimal], key: str, reason: str) -> list[Refund]:
    """Write down what goes back to the cards that paid these legs (by id), latest payment first, and queue its sending.

    The caller holds the session and its legs. Locks: the legs' Payments. Raises RefundTooLarge when the payments have
    less left than the legs are to get back, PaymentDisputed when that is because a dispute has withdrawn it.
    """
    claimed = []
    for leg_id, part in parts.items():
        left = part
        payments = sorted(lock_rows(refundable_payments(leg_id)), key=lambda payment: -payment.attempt)
        withdrawn = withdrawn_of(payments)
        for payment in payments:
            amount = min(payment.amount - payment.refunded - withdrawn.get(payment.pk, Decimal(0)), left)
            if amount > 0:
                claimed.append(_claim(payment, amount, f"{key}:payment:{payment.pk}:attempt:1", reason))
                left -= amount
        if left:
            raise PaymentDisputed if withdrawn else RefundTooLarge
    return claimed


def claim_surplus(*, payment: Payment, amount: Decimal, reason: str) -> Refund:
    """Write down that a locked payment took `amount` more than was owed; it goes back without anybody's asking."""
    return _claim(payment, amount, f"{payment.idempotency_key}:surplus:attempt:1", reason)


def claim_top_up_refund(*, payment: Payment, amount: Decimal, reason: str) -> Refund:
    """Write down that `amount` of a locked top-up goes back to its card, and queue its sending.

    The caller posts it from the wallet to the receivable, which the provider's answer clears.
    """
    number = payment.refunds.filter(retry_of__isnull=True).count() + 1
    return _claim(payment, amount, f"{payment.idempotency_key}:closing:{number}:attempt:1", reason)


def _claim(payment: Payment, amount: Decimal, key: str, reason: str, *, failed: Refund | None = None) -> Refund:
    payment.refunded += amount
    payment.save(update_fields=["refunded"])
    refund = Refund.objects.create(
        idempotency_key=key,
        payment=payment,
        session_refund_id=failed.session_refund_id if failed else None,
        amount=amount,
        attempt=failed.attempt + 1 if failed else 1,
        retry_of=failed,
        reason=reason[:200],
        reread_at=clock.now() + retries.REREAD_SOONEST,
    )
    async_task("billing.payment_tasks.send_refund", refund.pk)
    return refund


def send_refund(*, refund_id: int) -> Refund:
    """Ask the provider for a claimed refund and record the answer; sent twice under its key it gives back once."""
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    if refund.status not in Refund.OPEN:
        return refund
    request = RefundRequest(refund.idempotency_key, refund.payment.provider_reference, _amount(refund))
    try:
        result = get_provider(refund.payment.provider).refund(request)
    except ProviderUnavailable:
        return record_no_refund_answer(refund_id=refund_id)
    except IdempotencyMismatch as error:
        return park_refund(refund_id=refund_id, reason=error.code)
    except RequestRefused as error:
        return _record_refusal(refund_id, error)
    return record_refund_result(refund_id=refund_id, result=result)


def reread_refund(*, refund_id: int) -> Refund:
    """Ask the provider what became of an open refund and record it; one that never arrived is sent again."""
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    if refund.status not in Refund.OPEN:
        return refund
    provider = get_provider(refund.payment.provider)
    try:
        result = provider.fetch_refund(
            idempotency_key=refund.idempotency_key,
            payment_reference=refund.payment.provider_reference,
            reference=refund.provider_reference,
        )
    except ProviderUnavailable:
        return record_no_refund_answer(refund_id=refund_id)
    except RequestRefused as error:
        return park_refund(refund_id=refund_id, reason=error.code)
    if result is None:
        return send_refund(refund_id=refund_id)
    return record_refund_result(refund_id=refund_id, result=result)


@transaction.atomic
def record_no_refund_answer(*, refund_id: int) -> Refund:
    """The provider did not answer: nothing moves until it is asked again. Locks as `record_refund_result`."""
    refund = _lock_refund(refund_id)
    if refund.status == Status.CREATED:
        refund.status = Status.UNANSWERED
    if refund.status in Refund.OPEN:
        refund.reread_at = retries.next_reread(refund.created_at, clock.now())
        refund.save(update_fields=["status", "reread_at"])
    return refund


@transaction.atomic
def park_refund(*, refund_id: int, reason: str) -> Refund:
    """Leave an open refund for an operator to look at: no sweep touches it. Locks as `record_refund_result`."""
    refund = _lock_refund(refund_id)
    if refund.status in Refund.OPEN:
        refund.reread_at = None
        refund.failure_code = reason
        refund.save(update_fields=["reread_at", "failure_code"])
        log.error("refund %s is parked: %s", refund.idempotency_key, reason)
    return refund


@transaction.atomic
def record_refund_result(*, refund_id: int, result: RefundResult) -> Refund:
    """Write down what the provider says of a refund: status, posting and what the payment has given back, together.

    Idempotent, in any order. An answer about other money than was asked for parks the refund. One that succeeded and
    failed afterwards is posted back: the driver is owed it again.
    Locks: the ChargingSession, the FundingLeg, the Payment, the Refund, the receivable.
    """
    refund = _lock_refund(refund_id)
    if result.idempotency_key != refund.idempotency_key or result.amount != _amount(refund):
        return park_refund(refund_id=refund_id, reason="answer_about_other_money")
    status = _STATUS.get(result.state)
    if status is None:
        return park_refund(refund_id=refund_id, reason=f"unexpected_{result.state}")
    if not may_step(Refund.TRANSITIONS, refund.status, status):
        return refund
    refund.provider_reference = result.reference
    if status == Status.PENDING:
        refund.status = status
        refund.reread_at = retries.next_reread(refund.created_at, clock.now())
        refund.save(update_fields=["status", "reread_at", "provider_reference"])
    elif refund.status != status:
        moment = clock.now()
        if status == Status.SUCCEEDED:
            refund.ledger_transaction = _post(
                refund, event="card_refund", suffix="given", other=system("psp_clearing", _currency(refund))
            )
            _finish(refund, status, moment)
        else:
            _fail(refund, result.failure_code, moment)
    return refund


@transaction.atomic
def _record_refusal(refund_id: int, error: RequestRefused) -> Refund:
    """The provider will not do it (more than is left, an unknown payment): trying the same again changes nothing."""
    refund = _lock_refund(refund_id)
    if refund.status in Refund.OPEN:
        _fail(refund, error.code, clock.now())
    return refund


def _fail(refund: Refund, code: str, moment: datetime) -> None:
    if refund.status == Status.SUCCEEDED:
        refund.return_transaction = _post(
            refund,
            event="card_refund_returned",
            suffix="returned",
            other=system("psp_clearing", _currency(refund)),
            is_return=True,
        )
    refund.failure_code = code or "failed"
    payment = refund.payment
    payment.refunded -= refund.amount
    payment.save(update_fields=["refunded"])
    _finish(refund, Status.FAILED, moment, next_attempt_at=retries.next_refund_attempt(refund.attempt, moment))
    log.error("refund %s failed: %s", refund.idempotency_key, refund.failure_code)


def _finish(refund: Refund, status: str, moment: datetime, *, next_attempt_at: datetime | None = None) -> None:
    refund.status = status
    refund.finished_at = moment
    refund.reread_at = None
    refund.next_attempt_at = next_attempt_at
    refund.save()


@transaction.atomic
def retry_refund(*, refund_id: int, actor_id: int | None = None) -> Refund:
    """Try a failed refund again, as a new attempt under a key of its own, and queue its sending.

    Locks: the ChargingSession, the FundingLeg, the Payment, the Refund. Raises RefundNotFailed unless it failed and
    nothing was done about it yet.
    """
    refund = _lock_failed(refund_id)
    again = _claim(refund.payment, refund.amount, _next_key(refund), refund.reason, failed=refund)
    _close(refund)
    if actor_id is not None:
        audit.record(actor_id=actor_id, action="refund_retried", subject=again, reason=refund.reason)
    return again


@transaction.atomic
def pay_out_refund(*, refund_id: int, actor_id: int, reason: str) -> Refund:
    """Say that the money of a failed refund reached its owner another way: a bank transfer, cash.

    Posted Dr receivable, Cr bank_clearing. Locks as `retry_refund`, then the receivable.
    Raises ReasonMissing, RefundNotFailed.
    """
    if not reason.strip():
        raise ReasonMissing
    failed = _lock_failed(refund_id)
    moment = clock.now()
    paid_out = Refund(
        idempotency_key=_next_key(failed),
        payment=failed.payment,
        session_refund_id=failed.session_refund_id,
        amount=failed.amount,
        attempt=failed.attempt + 1,
        retry_of=failed,
        reason=reason[:200],
        status=Status.PAID_OUT,
        finished_at=moment,
    )
    paid_out.ledger_transaction = _post(
        paid_out, event="refund_paid_out", suffix="given", other=system("bank_clearing", _currency(paid_out))
    )
    paid_out.save()
    _close(failed)
    audit.record(
        actor_id=actor_id,
        action="refund_paid_out",
        subject=paid_out,
        reason=reason,
        data={"amount": str(paid_out.amount), "currency": _currency(paid_out)},
    )
    return paid_out


def _lock_failed(refund_id: int) -> Refund:
    refund = _lock_refund(refund_id)
    if refund.status != Status.FAILED or Refund.objects.filter(retry_of=refund).exists():
        raise RefundNotFailed
    return refund


def _next_key(refund: Refund) -> str:
    return f"{refund.idempotency_key.rpartition(':')[0]}:{refund.attempt + 1}"


def _close(refund: Refund) -> None:
    """Another attempt has taken its place."""
    refund.next_attempt_at = None
    refund.save(update_fields=["next_attempt_at"])


def _post(refund: Refund, *, event: str, suffix: str, other: AccountRef, is_return: bool = False) -> LedgerTransaction:
    """What the driver was owed leaves by the `other` account; a return brings it back."""
    owed, amount = receivable(refund.payment.driver_id, _currency(refund)), _amount(refund).amount
    leg = refund.payment.funding_leg
    return ledger.post(
        idempotency_key=f"{refund.idempotency_key}:{suffix}",
        event=event,
        occurred_at=clock.now(),
        currency=_currency(refund),
        postings=[debit(other, amount), credit(owed, amount)]
        if is_return
        else [debit(owed, amount), credit(other, amount)],
        reference=str(leg.cdr.charging_session.public_id) if leg else f"driver:{refund.payment.driver_id}",
        note=refund.reason,
    )


def _lock_refund(refund_id: int) -> Refund:
    """Locks: the ChargingSession, the FundingLeg, the Payment, then the Refund."""
    payment = lock_payment(Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id))
    refund = lock_row(Refund.objects.filter(pk=refund_id))
    refund.payment = payment
    return refund


def _currency(refund: Refund) -> str:
    return refund.payment.currency


def _amount(refund: Refund) -> Money:
    return quantize(Money(refund.amount, _currency(refund)))
