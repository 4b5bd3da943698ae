"""Collecting a funding leg from the driver's card: claim, commit, call, record. A wallet top-up is sent the same way.

`claim` writes down what is about to be asked, under the leg's lock, and commits. The provider is called with nothing
open and nothing locked. `record` writes down the answer, posts it and moves the leg, in one transaction. Whatever dies
in between leaves an open payment, which the sweep asks the provider about before anything else is tried.
"""

import logging
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_q.tasks import async_task
from djmoney.money import Money

from billing.domain import retries
from billing.domain.postings import credit, debit, receivable, system
from billing.models import ChargingSession, FundingLeg, LedgerTransaction, Payment, PaymentMethod, WalletLot
from billing.providers.base import Decline, PaymentRequest, PaymentState, ProviderResult
from billing.providers.errors import IdempotencyMismatch, ProviderUnavailable, RequestRefused
from billing.providers.registry import get_provider
from billing.selectors.ad_hoc import confirmed_path
from billing.selectors.payments import OPEN_LEG_SOURCES, methods_for
from billing.services import ledger
from billing.services.accruals import (
    is_enough,
    let_wait,
    lock_with_small_legs,
    move_along,
    pay_along,
    take_along,
    together,
)
from billing.services.auto_top_up_outcomes import mail_failed_top_up, note_outcome
from billing.services.card_refunds import claim_surplus
from billing.services.hold_captures import (
    ask_to_capture,
    captured_by,
    claim_capture,
    hold_of,
    may_capture,
    record_capture,
)
from billing.services.legs import mark_leg
from billing.services.mails import Kind as MailKind
from billing.services.mails import queue_mail
from billing.services.methods import refuse_method
from billing.services.payment_locks import lock_payment
from billing.services.wallets import credit_wallet
from billing.services.write_offs import recover_write_off
from common import clock
from common.errors import VoltledgerError
from common.money import quantize
from common.states import may_step

log = logging.getLogger(__name__)

State = FundingLeg.State
# What the provider's answer makes of our payment. A hold is no answer to a charge and is not among them.
_STATUS = {
    PaymentState.SUCCEEDED: Payment.Status.SUCCEEDED,
    PaymentState.REQUIRES_ACTION: Payment.Status.REQUIRES_ACTION,
    PaymentState.DECLINED: Payment.Status.FAILED,
    PaymentState.PENDING: Payment.Status.UNANSWERED,
    PaymentState.CANCELLED: Payment.Status.CANCELLED,
}


class PaymentIncomplete(VoltledgerError):
    code = "payment_incomplete"
    sentence = _("This payment has lost its card or what it pays for. Look at it and decide it by hand.")


def collect_leg(*, leg_id: int, is_early: bool = False, method_id: int | None = None) -> Payment | None:
    """Charge what a leg still owes to the driver's card; the next card at once when one is refused for good.

    Any number of callers at once make one charge. A leg that is paid, being charged, waiting for its driver or for its
    next date is left alone and answers None, as does one whose driver has no usable card. `is_early` is the driver's or
    an operator's own wish: it does not wait for the date, and takes up what was given up and what no card was meant
    for. `method_id` is the card to try first, instead of the default. Returns the last payment made. Talks to the
    provider; raises RuntimeError inside a transaction.
    """
    payment = None
    while (claim := claim_leg(leg_id=leg_id, is_early=is_early, method_id=method_id)) is not None:
        payment = send_payment(payment=claim)
        if payment.status != Payment.Status.FAILED or payment.decline_class != Payment.DeclineClass.HARD:
            break
    return payment


@transaction.atomic
def claim_leg(*, leg_id: int, is_early: bool = False, method_id: int | None = None) -> Payment | None:
    """Write down the next attempt on a leg: its card, its key, its amount. None when there is nothing to attempt now.

    What is too small to be charged alone waits, or goes along (billing.services.accruals).
    Locks: the ChargingSessions, the FundingLegs.
    """
    leg, along = lock_with_small_legs(leg_id, is_early=is_early)
    moment = clock.now()
    if not _may_attempt(leg, moment, is_early=is_early):
        return None
    session = leg.cdr.charging_session
    hold = hold_of(leg)
    if hold is not None:
        along = []
        if not may_capture(hold):
            return None
    elif not is_enough(leg, along):
        let_wait(leg)
        return None
    method = _next_method(session, method_id) if hold is None else hold.method
    if method is None:
        return None
    attempt = leg.payments.count() + 1
    leg.payments.filter(next_attempt_at__isnull=False).update(next_attempt_at=None)
    payment = Payment.objects.create(
        idempotency_key=f"session:{session.public_id}:leg:{leg.seq}:attempt:{attempt}",
        driver_id=method.driver_id,
        purpose=Payment.Purpose.SESSION,
        funding_leg=leg,
        method=method,
        provider=method.provider,
        amount=together(leg, along),
        currency=leg.cdr.currency,
        attempt=attempt,
        reread_at=moment + retries.REREAD_SOONEST,
    )
    if hold is not None:
        claim_capture(hold, payment)
    mark_leg(leg_id=leg.pk, state=State.ATTEMPTING)
    take_along(payment, along)
    return payment


def _may_attempt(leg: FundingLeg, moment: datetime, *, is_early: bool) -> bool:
    if leg.source not in OPEN_LEG_SOURCES:
        return False
    if is_early:
        return leg.state in (State.DUE, State.RETRYING, State.UNCOLLECTIBLE)
    if leg.state == State.RETRYING:
        return leg.payments.filter(next_attempt_at__lte=moment).exists()
    return leg.state == State.DUE and leg.source == FundingLeg.Source.CARD


def _next_method(session: ChargingSession, preferred_id: int | None = None) -> PaymentMethod | None:
    """The card to charge: the preferred one while it is usable, else the default, else the oldest usable one."""
    usable = methods_for(session)
    preferred = None if preferred_id is None else usable.filter(pk=preferred_id).first()
    return preferred or usable.first()


def send_payment(*, payment: Payment) -> Payment:
    """Ask the provider for a claimed payment and record the answer. Sending it twice under its key takes money once."""
    hold = captured_by(payment)
    try:
        if hold is not None:
            result = ask_to_capture(payment, hold)
        else:
            result = get_provider(payment.provider).charge(_request(payment))
    except ProviderUnavailable:
        return record_no_answer(payment_id=payment.pk)
    except (IdempotencyMismatch, RequestRefused) as error:
        return park_payment(payment_id=payment.pk, reason=error.code)
    return record_payment_result(payment_id=payment.pk, result=result)


def _request(payment: Payment) -> PaymentRequest:
    """The same for every sending of one payment, or the provider would refuse its key."""
    if payment.method is None:
        raise PaymentIncomplete
    if payment.purpose == Payment.Purpose.TOP_UP:
        description, return_path = f"{settings.OPERATOR_NAME} wallet", reverse("top_up_return", args=[payment.pk])
    elif payment.funding_leg is not None:
        session = payment.funding_leg.cdr.charging_session
        description = f"{settings.OPERATOR_NAME} #{session.pk}"
        return_path = confirmed_path(session)
    else:
        raise PaymentIncomplete
    return PaymentRequest(
        idempotency_key=payment.idempotency_key,
        customer=payment.method.provider_customer,
        method=payment.method.provider_reference,
        amount=_amount(payment),
        description=description,
        return_url=settings.SITE_URL + return_path,
    )


def _amount(payment: Payment) -> Money:
    """Quantised, so that 6.2000 from the database and 6.20 are the same terms to the provider."""
    return quantize(Money(payment.amount, payment.currency))


@transaction.atomic
def record_no_answer(*, payment_id: int) -> Payment:
    """The provider did not answer: nobody knows, so nothing moves until it is asked again. Locks as `lock_payment`."""
    payment = lock_payment(payment_id)
    if payment.status in (Payment.Status.CREATED, Payment.Status.UNANSWERED):
        payment.status = Payment.Status.UNANSWERED
    if payment.status in Payment.OPEN:
        payment.reread_at = retries.next_reread(payment.created_at, clock.now())
        payment.save(update_fields=["status", "reread_at"])
    return payment


@transaction.atomic
def park_payment(*, payment_id: int, reason: str) -> Payment:
    """Leave an open payment for an operator to decide: no sweep touches it, its leg stays as it is. Locks as usual."""
    payment = lock_payment(payment_id)
    if payment.status in Payment.OPEN:
        payment.reread_at = None
        payment.decline_class = Payment.DeclineClass.PROVIDER
        payment.decline_code = reason
        payment.save(update_fields=["reread_at", "decline_class", "decline_code"])
        log.error("payment %s is parked: %s", payment.idempotency_key, reason)
    return payment


@transaction.atomic
def record_payment_result(*, payment_id: int, result: ProviderResult) -> Payment:
    """Write down what the provider says of a payment: status, posting, leg or wallet lot, and next date together.

    Idempotent, in any order: a repeat changes nothing and an answer from before a later one is dropped. An answer about
    other money than was asked for parks the payment.
    Locks: the ChargingSessions, the FundingLegs, the Payment, the driver's PaymentMethods, the receivable or the
    wallet, the AutoTopUp.
    """
    payment = lock_payment(payment_id)
    if result.idempotency_key != payment.idempotency_key or result.amount != _amount(payment):
        return park_payment(payment_id=payment_id, reason="answer_about_other_money")
    status = _STATUS.get(result.state)
    if status is None:
        return park_payment(payment_id=payment_id, reason=f"unexpected_{result.state}")
    if not may_step(Payment.TRANSITIONS, payment.status, status):
        return payment
    payment.provider_reference = result.reference
    if payment.status == status and status not in Payment.OPEN:
        return payment
    moment = clock.now()
    if status == Payment.Status.SUCCEEDED:
        _record_success(payment, moment)
    elif status == Payment.Status.FAILED:
        _record_decline(payment, result, moment)
    elif status == Payment.Status.CANCELLED:
        _finish(payment, status, moment, next_attempt_at=moment if payment.funding_leg else None)
        _move_leg(payment, State.RETRYING)
    else:
        _record_waiting(payment, status, result, moment)
    return payment


def _record_success(payment: Payment, moment: datetime) -> None:
    surplus = Decimal(0)
    if payment.purpose == Payment.Purpose.TOP_UP:
        payment.ledger_transaction = _credit_top_up(payment)
        # A session that nears its limit may go on with it.
        async_task("billing.payment_tasks.extend_limits", payment.driver_id)
    else:
        surplus = _pay_leg(payment, moment)
    payment.decline_class = payment.decline_code = ""
    _finish(payment, Payment.Status.SUCCEEDED, moment)
    if surplus > 0:
        log.error("payment %s took %s more than was owed; it is given back", payment.idempotency_key, surplus)
        claim_surplus(payment=payment, amount=surplus, reason=str(_("Charged twice for the same session")))


def _credit_top_up(payment: Payment) -> LedgerTransaction:
    """The money is the driver's, as one cash lot that can go back to its card."""
    if payment.driver_id is None:
        raise PaymentIncomplete
    lot = credit_wallet(
        driver_id=payment.driver_id,
        amount=_amount(payment),
        kind=WalletLot.Kind.CASH,
        origin=WalletLot.Origin.CARD_TOP_UP,
        reason=f"{_('Automatic top-up')}, {payment.method}" if payment.is_automatic else str(payment.method or ""),
        idempotency_key=f"{payment.idempotency_key}:paid",
    )
    return lot.ledger_transaction


def _pay_leg(payment: Payment, moment: datetime) -> Decimal:
    """Post what was taken for the payment's leg; how much more it was than the leg owed, to be given back."""
    leg = payment.funding_leg
    if leg is None:
        raise PaymentIncomplete
    amount = _amount(payment).amount
    is_settled = leg.state in (State.PAID, State.REFUNDED)
    # The bank announced a failure and took the money after all, or took it before a refund made the leg smaller.
    surplus = amount if is_settled else amount - leg.left
    surplus -= pay_along(payment)
    was_written_off = leg.state == State.WRITTEN_OFF
    if not is_settled:
        mark_leg(leg_id=leg.pk, state=State.PAID)
    payment.ledger_transaction = ledger.post(
        idempotency_key=f"{payment.idempotency_key}:paid",
        event="card_payment",
        occurred_at=moment,
        currency=payment.currency,
        postings=[
            debit(system("psp_clearing", payment.currency), amount),
            credit(receivable(payment.driver_id, payment.currency), amount),
        ],
        reference=str(leg.cdr.charging_session.public_id),
    )
    if was_written_off:
        recover_write_off(payment=payment, leg=leg)
    return surplus


def _record_decline(payment: Payment, result: ProviderResult, moment: datetime) -> None:
    payment.decline_class = str(result.decline_class or Decline.SOFT)
    payment.decline_code = result.decline_code
    if payment.decline_class == Payment.DeclineClass.HARD and payment.method_id is not None:
        refuse_method(driver_id=payment.driver_id, method_id=payment.method_id)
    next_attempt_at = _next_date(payment, moment) if payment.funding_leg else None
    is_late = payment.status != Payment.Status.CREATED
    _finish(payment, Payment.Status.FAILED, moment, next_attempt_at=next_attempt_at)
    _move_leg(payment, State.RETRYING if next_attempt_at else State.UNCOLLECTIBLE)
    # With another card at hand the next attempt is now: it is the one to hear of.
    if payment.funding_leg and payment.driver_id is not None and next_attempt_at != moment:
        queue_mail(
            driver_id=payment.driver_id,
            kind=MailKind.PAYMENT_FAILED,
            key=f"{payment.idempotency_key}:failed",
            payment=payment,
        )
    elif is_late and payment.purpose == Payment.Purpose.TOP_UP and not payment.is_automatic:
        # Its driver may have left the page, which says it otherwise.
        mail_failed_top_up(payment)


def _next_date(payment: Payment, moment: datetime) -> datetime | None:
    """When the declined payment's leg is tried next; None when it is given up."""
    if payment.decline_class == Payment.DeclineClass.HARD:
        leg = payment.funding_leg
        return moment if leg is not None and _next_method(leg.cdr.charging_session) else None
    declined = Payment.objects.filter(
        funding_leg_id=payment.funding_leg_id, method_id=payment.method_id, status=Payment.Status.FAILED
    ).order_by("pk")
    first = declined.first()
    first_declined_at = first.finished_at if first and first.finished_at else moment
    return retries.next_attempt(first_declined_at, declined.count() + 1, moment)


def _record_waiting(payment: Payment, status: str, result: ProviderResult, moment: datetime) -> None:
    """The outcome is still to come: from the driver's confirmation or from the bank."""
    is_news = payment.status != status
    payment.status = status
    payment.action_url = result.action_url
    payment.reread_at = retries.next_reread(payment.created_at, moment)
    payment.save(update_fields=["provider_reference", "status", "action_url", "reread_at"])
    if status == Payment.Status.REQUIRES_ACTION:
        _move_leg(payment, State.REQUIRES_ACTION)
        if is_news and payment.driver_id is not None:
            queue_mail(
                driver_id=payment.driver_id,
                kind=MailKind.ACTION_REQUIRED,
                key=f"{payment.idempotency_key}:action_required",
                payment=payment,
            )


def _finish(payment: Payment, status: str, moment: datetime, *, next_attempt_at: datetime | None = None) -> None:
    payment.status = status
    payment.finished_at = moment
    payment.reread_at = None
    payment.action_url = ""
    payment.next_attempt_at = next_attempt_at
    payment.save()
    record_capture(payment, moment)
    note_outcome(payment, moment)


def _move_leg(payment: Payment, state: str) -> None:
    """Move the leg of an unfinished or failed payment, unless another payment or decision has closed it meanwhile."""
    leg = payment.funding_leg
    if leg is not None and leg.state in (State.ATTEMPTING, State.REQUIRES_ACTION):
        mark_leg(leg_id=leg.pk, state=state)
    move_along(payment, state)
