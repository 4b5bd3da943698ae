"""What the provider's answer to an automatic top-up makes of its driver's plan."""

from datetime import datetime

from billing.domain.auto_top_ups import MOST_FAILURES, RETRY_AFTER
from billing.models import AutoTopUp, Payment
from billing.selectors.payments import usable_methods
from billing.services.mails import Kind, queue_mail
from common.locking import lock_rows
from common.states import check_step

Status = AutoTopUp.Status


def note_outcome(payment: Payment, moment: datetime) -> None:
    """Count a finished automatic top-up: money ends a row of failures, the second of them switches it off.

    In the transaction that records it, once per payment. After a failure it waits an hour, but not where a card was
    refused for good and another one is there. Locks: the AutoTopUp.
    """
    if not payment.is_automatic or payment.driver_id is None:
        return
    for plan in lock_rows(AutoTopUp.objects.filter(driver_id=payment.driver_id, currency=payment.currency)):
        if payment.status == Payment.Status.SUCCEEDED:
            plan.failures, plan.next_attempt_at = 0, None
            plan.save(update_fields=["failures", "next_attempt_at"])
        else:
            _note_failure(plan, payment, moment)


def _note_failure(plan: AutoTopUp, payment: Payment, moment: datetime) -> None:
    plan.failures += 1
    if plan.status == Status.ON and plan.failures >= MOST_FAILURES:
        stop_plan(plan, AutoTopUp.StopReason.FAILED_TWICE, moment, payment=payment)
        return
    has_other = payment.decline_class == Payment.DeclineClass.HARD and usable_methods(plan.driver_id).exists()
    plan.next_attempt_at = moment if has_other else moment + RETRY_AFTER
    plan.save(update_fields=["failures", "next_attempt_at"])
    if not has_other:
        mail_failed_top_up(payment)


def stop_plan(plan: AutoTopUp, reason: str, moment: datetime, *, payment: Payment | None = None) -> None:
    """Switch a locked plan off and say so by mail; `payment` is the one that failed last."""
    check_step(AutoTopUp.TRANSITIONS, plan.status, Status.STOPPED)
    plan.status, plan.stop_reason, plan.stopped_at, plan.next_attempt_at = Status.STOPPED, reason, moment, None
    plan.save()
    if reason != AutoTopUp.StopReason.WALLET_CLOSED:
        queue_mail(
            driver_id=plan.driver_id,
            kind=Kind.AUTO_TOP_UP_STOPPED,
            key=f"auto-top-up:{plan.pk}:stopped:{moment.isoformat()}",
            payment=payment,
        )


def mail_failed_top_up(payment: Payment) -> None:
    """Tell a driver who is not looking at the page that a top-up was not made."""
    if payment.driver_id is not None:
        queue_mail(
            driver_id=payment.driver_id,
            kind=Kind.TOP_UP_FAILED,
            key=f"{payment.idempotency_key}:failed",
            payment=payment,
        )
