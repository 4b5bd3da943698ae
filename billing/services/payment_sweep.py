"""Finding what was claimed, told or promised and never finished: a lost task or a killed worker loses nothing."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import F, Max, Q, QuerySet, Sum

from billing.models import FundingLeg, Hold, Payment, PaymentMethod, ProviderEvent, Refund
from billing.providers.base import ProviderResult
from billing.providers.errors import ProviderUnavailable, RequestRefused
from billing.providers.registry import get_provider, least_charge
from billing.selectors.debts import small_legs
from billing.services.card_holds import release_card_hold, reread_hold
from billing.services.card_refunds import reread_refund, retry_refund
from billing.services.hold_captures import captured_by, fetch_capture
from billing.services.hold_releases import holds_to_release
from billing.services.payments import (
    collect_leg,
    park_payment,
    record_no_answer,
    record_payment_result,
    send_payment,
)
from billing.services.provider_events import process_event
from common import clock
from common.errors import VoltledgerError

log = logging.getLogger(__name__)

# A task that is queued or running right now is left to finish.
PATIENCE = timedelta(minutes=1)
# A top-up its driver was to confirm and did not.
TOP_UP_WAITS = timedelta(days=1)


def sweep_payments(now: datetime) -> int:
    """Take up everything about payments that is due at `now`; returns how many things were taken up.

    First what is unknown (open payments and refunds, unread webhooks), then what is to be tried (failed refunds, next
    dates, legs nobody charged).
    Safe to repeat and to run beside itself. Talks to the provider; a row that cannot be helped now stops no other.
    """
    unread = ProviderEvent.objects.filter(processed_at__isnull=True, received_at__lte=now - PATIENCE)
    return (
        _take_up(Payment.objects.filter(reread_at__lte=now), lambda pk: reread_payment(payment_id=pk))
        + _take_up(Hold.objects.filter(reread_at__lte=now), lambda pk: reread_hold(hold_id=pk))
        + _take_up(holds_to_release(now), lambda pk: release_card_hold(hold_id=pk))
        + _take_up(Refund.objects.filter(reread_at__lte=now), lambda pk: reread_refund(refund_id=pk))
        + _take_up(unread, lambda pk: process_event(event_id=pk))
        + _take_up(Refund.objects.filter(next_attempt_at__lte=now), lambda pk: retry_refund(refund_id=pk))
        + _take_up(legs_to_collect(now), lambda pk: collect_leg(leg_id=pk))
    )


def _take_up(rows: QuerySet[Any], step: Callable[[int], object]) -> int:
    """Do `step` for each row, oldest first; one that is refused, by us or the database, is left for the next sweep."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True).distinct())
    for key in keys:
        try:
            step(key)
        except (VoltledgerError, DatabaseError):
            log.exception("%s %s is left for the next sweep", rows.model.__name__, key)
    return len(keys)


def legs_to_collect(now: datetime) -> QuerySet[FundingLeg]:
    """Legs whose next attempt is due, and card legs whose task was lost; only where there is a usable card.

    Of the small legs of a driver that wait for each other the newest, once they are enough together.
    """
    lost = FundingLeg.objects.filter(
        state=FundingLeg.State.DUE, source=FundingLeg.Source.CARD, cdr__created_at__lte=now - PATIENCE
    )
    small = small_legs(lost.values_list("cdr__currency", flat=True).distinct().order_by())
    return FundingLeg.objects.filter(
        Q(state=FundingLeg.State.RETRYING, payments__next_attempt_at__lte=now)
        | Q(pk__in=lost.exclude(small).values("pk"))
        | Q(pk__in=_enough_together(lost.filter(small)))
    ).filter(
        Q(cdr__charging_session__driver__payment_methods__status=PaymentMethod.Status.ACTIVE)
        | Q(cdr__charging_session__ad_hoc__method__status=PaymentMethod.Status.ACTIVE)
    )


def _enough_together(small: QuerySet[FundingLeg]) -> list[int]:
    """The newest of each driver's small legs, where they reach what the provider charges. One query."""
    waiting = (
        small.filter(cdr__charging_session__driver__isnull=False)
        .order_by()
        .values_list("cdr__charging_session__driver", "cdr__currency")
        .annotate(total=Sum(F("amount") - F("refunded")), newest=Max("pk"))
    )
    return [newest for _driver, currency, total, newest in waiting if total >= least_charge(currency)]


def reread_payment(*, payment_id: int) -> Payment:
    """Ask the provider what became of an open payment and record it; what never arrived is sent, under the same key.

    A payment waiting for its driver is called off when its leg was paid otherwise, a top-up after a day.
    """
    payment = Payment.objects.select_related("funding_leg__cdr__charging_session", "method").get(pk=payment_id)
    if payment.status not in Payment.OPEN:
        return payment
    try:
        result = _ask(payment)
    except ProviderUnavailable:
        return record_no_answer(payment_id=payment_id)
    except RequestRefused as error:
        return park_payment(payment_id=payment_id, reason=error.code)
    if result is None:
        return send_payment(payment=payment)
    return record_payment_result(payment_id=payment_id, result=result)


def _ask(payment: Payment) -> ProviderResult | None:
    provider = get_provider(payment.provider)
    if payment.status == Payment.Status.REQUIRES_ACTION and _is_pointless(payment):
        return call_off(payment)
    hold = captured_by(payment)
    if hold is not None:
        return fetch_capture(payment, hold)
    return provider.fetch(idempotency_key=payment.idempotency_key, reference=payment.provider_reference)


def _is_pointless(payment: Payment) -> bool:
    """The driver need not confirm it any more: its leg was paid otherwise, or the top-up was left lying."""
    leg = payment.funding_leg
    if leg is None:
        return clock.now() - payment.created_at >= TOP_UP_WAITS
    return leg.state not in (FundingLeg.State.REQUIRES_ACTION, FundingLeg.State.ATTEMPTING)


def call_off(payment: Payment) -> ProviderResult:
    """Cancel a payment that waits for its driver; the answer is `succeeded` when the driver was quicker."""
    return get_provider(payment.provider).release(
        idempotency_key=f"{payment.idempotency_key}:called_off", reference=payment.provider_reference
    )
