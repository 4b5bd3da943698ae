"""A wallet is topped up by itself: as its driver agreed, once per need, within the limits of the day and the month.

What notices the need only asks: the task after a settlement, a meter value that nears a session's limit, the sweep of
every minute. Whether there is one is decided under the driver's lock, where at most one of them claims the payment;
from there it is a top-up like any other (billing.services.payments).
"""

import logging
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from accounts.errors import NoContract
from accounts.models import ContractType, Driver
from accounts.selectors.contracts import contract_in_force
from accounts.services import audit
from billing.domain.auto_top_ups import calendar_at, wait_until
from billing.errors import AutoTopUpNotOffered, NoUsableCard, TopUpOutOfRange, TopUpUnderWay
from billing.models import AutoTopUp, LedgerAccount, Payment
from billing.selectors.auto_top_ups import is_low, is_offered, limits_of, low_wallets
from billing.selectors.payments import usable_methods
from billing.services.auto_top_up_outcomes import stop_plan
from billing.services.payments import send_payment
from billing.services.top_ups import write_claim
from common import clock
from common.errors import BadInput, VoltledgerError
from common.formats import money_words
from common.locking import lock_row, lock_rows
from common.money import Money, quantize_amount

log = logging.getLogger(__name__)

Status = AutoTopUp.Status


@transaction.atomic
def agree_to_auto_top_up(
    *,
    driver_id: int,
    threshold: Decimal,
    amount: Decimal,
    max_per_day: Decimal,
    max_per_month: Decimal,
    consent: str,
    actor_id: int | None,
) -> AutoTopUp:
    """Switch automatic top-up on, or change it, by the driver's consent; `consent` is the sentence that was agreed to.

    Amounts in the wallet's currency. Failures are forgotten, and whether money is needed now is looked at by a task.
    Locks: the Driver, the AutoTopUp. Raises AutoTopUpNotOffered, NoUsableCard, TopUpOutOfRange, BadInput, NoContract.
    """
    lock_row(Driver.objects.filter(pk=driver_id), is_shareable=True)
    kind = contract_in_force(driver_id, clock.now()).contract_type
    if not is_offered(kind):
        raise AutoTopUpNotOffered
    if not usable_methods(driver_id).exists():
        raise NoUsableCard
    terms = {"threshold": threshold, "amount": amount, "max_per_day": max_per_day, "max_per_month": max_per_month}
    _check_terms(terms, kind.currency)
    moment = clock.now()
    plans = lock_rows(AutoTopUp.objects.filter(driver_id=driver_id, currency=kind.currency))
    plan = plans[0] if plans else AutoTopUp(driver_id=driver_id, currency=kind.currency, created_at=moment)
    for name, value in terms.items():
        setattr(plan, name, value)
    plan.status, plan.stop_reason, plan.stopped_at = Status.ON, "", None
    plan.failures, plan.next_attempt_at, plan.consented_at = 0, None, moment
    plan.save()
    audit.record(
        actor_id=actor_id,
        action="auto_top_up_agreed",
        subject=Driver.objects.get(pk=driver_id),
        data={"consent": consent, "currency": kind.currency, **{name: str(value) for name, value in terms.items()}},
    )
    async_task("billing.payment_tasks.auto_top_up", driver_id)
    return plan


def _check_terms(terms: dict[str, Decimal], currency: str) -> None:
    if any(value < 0 or value != quantize_amount(value, currency) for value in terms.values()):
        raise BadInput(_("Use whole cents above zero."))
    if not settings.TOP_UP_MIN <= terms["amount"] <= settings.TOP_UP_MAX or terms["threshold"] > settings.TOP_UP_MAX:
        raise TopUpOutOfRange(
            _("You can top up between %(least)s and %(most)s at once.")
            % {
                "least": money_words(settings.TOP_UP_MIN, currency),
                "most": money_words(settings.TOP_UP_MAX, currency),
            }
        )
    if not terms["amount"] <= terms["max_per_day"] <= terms["max_per_month"]:
        raise BadInput(
            _("The most per day must be at least the amount, and the most per month at least that of a day.")
        )


@transaction.atomic
def pause_auto_top_up(*, driver_id: int, actor_id: int | None) -> None:
    """Switch it off by the driver's wish; a repeat changes nothing. What is under way is finished.

    Locks: the Driver, the AutoTopUp.
    """
    driver = lock_row(Driver.objects.filter(pk=driver_id), is_shareable=True)
    for plan in lock_rows(AutoTopUp.objects.filter(driver_id=driver_id, status=Status.ON)):
        plan.status, plan.next_attempt_at = Status.PAUSED, None
        plan.save(update_fields=["status", "next_attempt_at"])
        audit.record(actor_id=actor_id, action="auto_top_up_paused", subject=driver)


def stop_for_closing(*, driver_id: int, currency: str) -> None:
    """A wallet that is closed is not filled again. In the closing's transaction, under the driver's lock."""
    plans = AutoTopUp.objects.filter(driver_id=driver_id, currency=currency, status__in=[Status.ON, Status.PAUSED])
    for plan in lock_rows(plans):
        stop_plan(plan, AutoTopUp.StopReason.WALLET_CLOSED, clock.now())


def top_up_if_low(*, driver_id: int) -> Payment | None:
    """Charge the agreed amount where a wallet runs low; None when there is no need, no room, or one is under way.

    Any number of callers at once make one charge per need. Talks to the provider; raises RuntimeError inside a
    transaction.
    """
    payment = claim_auto_top_up(driver_id=driver_id)
    return None if payment is None else send_payment(payment=payment)


@transaction.atomic
def claim_auto_top_up(*, driver_id: int) -> Payment | None:
    """Write down an automatic top-up about to be asked for. Its key names the wallet's last movement and the attempt.

    Locks: the Driver, the AutoTopUp.
    """
    driver = lock_row(Driver.objects.filter(pk=driver_id), is_shareable=True)
    moment = clock.now()
    kind = _kind_of(driver, moment)
    if kind is None or driver.status != Driver.Status.ACTIVE:
        return None
    plans = lock_rows(AutoTopUp.objects.filter(driver=driver, currency=kind.currency, status=Status.ON))
    if not plans or (plans[0].next_attempt_at or moment) > moment:
        return None
    plan = plans[0]
    # Before the wallet is read: one that is not open here has been credited already, and the balance below shows it.
    if Payment.objects.filter(driver=driver, purpose=Payment.Purpose.TOP_UP, status__in=Payment.OPEN).exists():
        return None
    if not is_low(plan) or not _has_room(plan, moment):
        return None
    try:
        return write_claim(
            driver=driver,
            amount=Money(plan.amount, plan.currency),
            idempotency_key=_key(driver, plan),
            is_automatic=True,
        )
    except TopUpUnderWay:
        return None
    except NoUsableCard:
        stop_plan(plan, AutoTopUp.StopReason.NO_CARD, moment)
        return None


def _kind_of(driver: Driver, moment: datetime) -> ContractType | None:
    """The contract type in force, where it offers automatic top-up."""
    try:
        kind = contract_in_force(driver.pk, moment).contract_type
    except NoContract:
        return None
    return kind if is_offered(kind) else None


def _has_room(plan: AutoTopUp, moment: datetime) -> bool:
    """True when another one fits into the day and the month; else the plan waits for the next of them."""
    calendar = calendar_at(moment, settings.TIME_ZONE)
    waits_until = wait_until(limits_of(plan, calendar), calendar)
    if waits_until is None:
        return True
    plan.next_attempt_at = waits_until
    plan.save(update_fields=["next_attempt_at"])
    return False


def _key(driver: Driver, plan: AutoTopUp) -> str:
    accounts = LedgerAccount.objects.filter(driver=driver, code=LedgerAccount.Code.WALLET, currency=plan.currency)
    movement = accounts.values_list("entry_count", flat=True).first() or 0
    prefix = f"driver:{driver.public_id}:wallet:{plan.currency}:{movement}:auto-top-up:"
    return f"{prefix}{Payment.objects.filter(driver=driver, idempotency_key__startswith=prefix).count() + 1}"


def sweep_auto_top_ups(now: datetime) -> int:
    """Top up every wallet that runs low at `now`; how many were looked at. Safe to repeat; none stops another."""
    driver_ids = list(low_wallets(now).order_by("pk").values_list("driver_id", flat=True))
    for driver_id in driver_ids:
        try:
            top_up_if_low(driver_id=driver_id)
        except (VoltledgerError, DatabaseError):
            log.exception("the wallet of driver %s is left for the next sweep", driver_id)
    return len(driver_ids)
