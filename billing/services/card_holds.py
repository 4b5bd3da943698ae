"""Holding an amount on a driver's card for a pre-authorised session: claim, commit, call, record.

`ask_for_hold` writes down what is to be held, in the transaction of the start. A task sends it to the provider with
nothing open and nothing locked, and records the answer. A station never waits for that: the start from the site goes to
the charge point when the bank has agreed, and a card shown at the charge point starts at once and is stopped again when
the bank refuses or does not answer in time (docs/adr/0015); the gateway finds both in the rows by itself. What dies in
between is taken up by the sweep.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django_q.tasks import async_task
from djmoney.money import Money

from accounts.services import audit
from billing.domain import retries
from billing.domain.holds import usable_part
from billing.models import ChargingSession, FundingLeg, Hold
from billing.providers.base import Decline, PaymentRequest, PaymentState, ProviderResult
from billing.providers.errors import IdempotencyMismatch, ProviderUnavailable, RequestRefused
from billing.providers.registry import get_provider
from billing.selectors.ad_hoc import confirmed_path
from billing.selectors.hold_policies import amount_to_hold
from billing.selectors.payments import OPEN_LEG_STATES, methods_for
from billing.services.hold_releases import (
    ask_to_release,
    claim_release,
    holds_to_release,
    lock_hold,
    open_card_holds,
    provider_of,
)
from billing.services.mails import Kind as MailKind
from billing.services.mails import queue_mail
from billing.services.methods import refuse_method
from common import clock
from common.money import quantize
from common.states import check_step, may_step

log = logging.getLogger(__name__)

Status = Hold.Status
SessionStatus = ChargingSession.Status

# A session that charges already goes on so long without the bank's word.
HOLD_WITHIN = timedelta(seconds=120)
# Until the provider says when it lets go; what the sweep may take it for.
USUAL_LIFETIME = timedelta(days=7)
# A request the provider has still not seen after this long never reached it.
LOST_AFTER = timedelta(minutes=5)


def ask_for_hold(session: ChargingSession, *, now: datetime, amount: Decimal | None = None) -> Hold | None:
    """Write down what is to be held for a session just created, limit what it may cost, and queue the asking.

    `amount` is what the payer agreed to; by default what the hold policies say. In the caller's transaction. None when
    there is no usable card (any more).
    """
    return _claim(session, amount_to_hold(session) if amount is None else amount, now)


def _claim(session: ChargingSession, amount: Decimal, now: datetime) -> Hold | None:
    method = methods_for(session).first()
    if method is None:
        return None
    attempt = session.holds.filter(source=Hold.Source.CARD).count() + 1
    hold = Hold.objects.create(
        idempotency_key=f"session:{session.public_id}:card_hold:{attempt}",
        source=Hold.Source.CARD,
        charging_session=session,
        method=method,
        amount=amount,
        status=Status.ASKED,
        placed_at=now,
        expires_at=now + USUAL_LIFETIME,
        reread_at=now + retries.REREAD_SOONEST,
    )
    session.spend_limit = usable_part(amount, session.currency)
    session.save(update_fields=["spend_limit"])
    async_task("billing.payment_tasks.place_card_hold", hold.pk)
    return hold


def awaits_hold(session: ChargingSession) -> bool:
    """True while the bank has not agreed to what is to be held: the charge point is not asked to start yet."""
    return session.holds.filter(source=Hold.Source.CARD, status__in=[Status.ASKED, Status.REQUIRES_ACTION]).exists()


def place_card_hold(*, hold_id: int) -> Hold:
    """Ask the provider for a claimed hold and record the answer; sent twice under its key it holds once.

    One whose session is over meanwhile is not sent. Talks to the provider; raises RuntimeError inside a transaction.
    """
    hold = _note_sending(hold_id)
    if hold.status != Status.ASKED or hold.release_asked_at is not None:
        return hold
    try:
        result = get_provider(provider_of(hold)).hold(_request(hold))
    except ProviderUnavailable:
        return record_no_hold_answer(hold_id=hold_id)
    except (IdempotencyMismatch, RequestRefused) as error:
        return _record_refusal(hold_id, error.code)
    return follow_hold_result(hold_id=hold_id, result=result)


@transaction.atomic
def _note_sending(hold_id: int) -> Hold:
    """Write down that a hold is about to be sent, or let go of it when it has become too late for that."""
    hold = lock_hold(hold_id)
    if hold.status != Status.ASKED or hold.sent_at is not None:
        return hold
    if hold.charging_session.status not in (SessionStatus.REQUESTED, SessionStatus.ACTIVE):
        _finish(hold, Status.RELEASED)
    else:
        hold.sent_at = clock.now()
        hold.save(update_fields=["sent_at"])
    return hold


def _request(hold: Hold) -> PaymentRequest:
    """The same for every sending of one hold, or the provider would refuse its key."""
    session = hold.charging_session
    if hold.method is None:
        raise LookupError(f"hold {hold.pk} is on no card")
    return PaymentRequest(
        idempotency_key=hold.idempotency_key,
        customer=hold.method.provider_customer,
        method=hold.method.provider_reference,
        amount=_amount(hold),
        description=f"{settings.OPERATOR_NAME} #{session.pk}",
        return_url=settings.SITE_URL + confirmed_path(session),
    )


def _amount(hold: Hold) -> Money:
    return quantize(Money(hold.amount, hold.charging_session.currency))


def reread_hold(*, hold_id: int) -> Hold:
    """Ask the provider what became of an open hold and record it; what never arrived is sent while it is wanted.

    While a payment captures it, that payment is what is asked about.
    """
    hold = Hold.objects.select_related("charging_session", "method", "payment").get(pk=hold_id)
    if hold.status not in Hold.OPEN:
        return hold
    try:
        result = get_provider(provider_of(hold)).fetch(
            idempotency_key=hold.idempotency_key, reference=hold.provider_reference
        )
    except ProviderUnavailable:
        return record_no_hold_answer(hold_id=hold_id)
    except RequestRefused as error:
        return _record_refusal(hold_id, error.code)
    if result is not None:
        return follow_hold_result(hold_id=hold_id, result=result)
    is_wanted = hold.charging_session.status in (SessionStatus.REQUESTED, SessionStatus.ACTIVE)
    return place_card_hold(hold_id=hold_id) if is_wanted else _record_lost(hold_id)


@transaction.atomic
def _record_lost(hold_id: int) -> Hold:
    """The provider has never seen a hold that is not wanted any more. It may still be on its way for a while."""
    hold = lock_hold(hold_id)
    if hold.status == Status.ASKED:
        if hold.sent_at is None or hold.sent_at <= clock.now() - LOST_AFTER:
            _finish(hold, Status.RELEASED)
            _collect_otherwise(hold)
        else:
            hold.reread_at = clock.now() + retries.REREAD_SOONEST
            hold.save(update_fields=["reread_at"])
    return hold


def release_card_hold(*, hold_id: int) -> Hold:
    """Let go of a hold on a card that nobody needs, and record it. A repeat changes nothing. Talks to the provider."""
    hold = claim_release(hold_id=hold_id)
    if hold.status not in Hold.OPEN or hold.release_asked_at is None:
        return hold
    return reread_hold(hold_id=hold_id) if not hold.provider_reference else _send_release(hold)


def _send_release(hold: Hold) -> Hold:
    try:
        result = ask_to_release(hold)
    except ProviderUnavailable:
        return record_no_hold_answer(hold_id=hold.pk)
    except (IdempotencyMismatch, RequestRefused) as error:
        log.error("hold %s cannot be released: %s", hold.idempotency_key, error.code)
        return record_no_hold_answer(hold_id=hold.pk)
    return record_hold_result(hold_id=hold.pk, result=result)


def follow_hold_result(*, hold_id: int, result: ProviderResult) -> Hold:
    """Record an answer; where it came too late to be of use, let go of what it holds."""
    hold = record_hold_result(hold_id=hold_id, result=result)
    if result.state not in (PaymentState.HELD, PaymentState.REQUIRES_ACTION):
        return hold
    if hold.status == Status.RELEASED or (hold.release_asked_at is not None and hold.status in Hold.OPEN):
        return _send_release(hold)
    return hold


@transaction.atomic
def record_no_hold_answer(*, hold_id: int) -> Hold:
    """The provider did not answer: nobody knows, so it is asked again later. Locks as `lock_hold`."""
    hold = lock_hold(hold_id)
    if hold.status in Hold.OPEN:
        hold.reread_at = retries.next_reread(hold.release_asked_at or hold.placed_at, clock.now())
        hold.save(update_fields=["reread_at"])
    return hold


@transaction.atomic
def _record_refusal(hold_id: int, code: str) -> Hold:
    """The provider will not do it, whatever the bank thinks: no amount is held."""
    hold = lock_hold(hold_id)
    if hold.status in Hold.OPEN:
        log.error("hold %s is refused by the provider: %s", hold.idempotency_key, code)
        _refuse(hold, str(Decline.PROVIDER), code)
    return hold


@transaction.atomic
def record_hold_result(*, hold_id: int, result: ProviderResult) -> Hold:
    """Write down what the provider says of a hold, and what follows for its session, together.

    Idempotent, in any order: a repeat changes nothing. Locks: the ChargingSession, the Hold, the driver's
    PaymentMethods.
    """
    hold = lock_hold(hold_id)
    if hold.status not in Hold.OPEN:
        return hold
    if result.idempotency_key != hold.idempotency_key or result.amount != _amount(hold):
        _park(hold, "answer_about_other_money")
        return hold
    hold.provider_reference = result.reference
    if result.state is PaymentState.HELD:
        _record_held(hold, result)
    elif result.state is PaymentState.REQUIRES_ACTION:
        _record_confirmation(hold, result)
    elif result.state is PaymentState.DECLINED:
        _refuse(hold, str(result.decline_class or Decline.SOFT), result.decline_code)
    elif result.state is PaymentState.CANCELLED:
        _record_gone(hold)
    elif result.state is PaymentState.SUCCEEDED:
        # Our own captures are recorded with their payment (billing.services.hold_captures).
        if hold.payment_id is None:
            _park(hold, "captured_elsewhere")
    else:
        hold.reread_at = retries.next_reread(hold.placed_at, clock.now())
        hold.save(update_fields=["provider_reference", "reread_at"])
    return hold


def _record_held(hold: Hold, result: ProviderResult) -> None:
    is_news = hold.status != Status.ACTIVE
    check_step(Hold.TRANSITIONS, hold.status, Status.ACTIVE)
    hold.status, hold.action_url = Status.ACTIVE, ""
    hold.expires_at = result.expires_at or hold.expires_at
    hold.reread_at = hold.expires_at if hold.release_asked_at is None else clock.now() + retries.REREAD_SOONEST
    hold.save()
    if not is_news:
        return
    if hold.charging_session.status == SessionStatus.REQUESTED:
        return  # The gateway sees that its charge point may be asked now.
    if holds_to_release(clock.now()).filter(pk=hold.pk).exists():
        async_task("billing.payment_tasks.release_card_hold", hold.pk)
    else:
        _collect_otherwise(hold)


def _record_confirmation(hold: Hold, result: ProviderResult) -> None:
    if hold.status == Status.ACTIVE:
        return
    if hold.status != Status.REQUIRES_ACTION and hold.release_asked_at is None:
        _mail(hold, MailKind.ACTION_REQUIRED)
    hold.status, hold.action_url = Status.REQUIRES_ACTION, result.action_url
    hold.reread_at = retries.next_reread(hold.placed_at, clock.now())
    hold.save()
    if holds_to_release(clock.now()).filter(pk=hold.pk).exists():
        async_task("billing.payment_tasks.release_card_hold", hold.pk)


def _record_gone(hold: Hold) -> None:
    """The provider holds nothing any more: as we asked, or its time was over."""
    if hold.status == Status.ACTIVE and hold.release_asked_at is not None:
        _mail(hold, MailKind.HOLD_RELEASED)
    _finish(hold, Status.RELEASED if hold.release_asked_at is not None else Status.EXPIRED)
    session = hold.charging_session
    if session.status == SessionStatus.REQUESTED:
        _cancel(session, "hold_expired")
    elif session.status == SessionStatus.ACTIVE:
        _stop(session, "hold_expired")
    else:
        _collect_otherwise(hold)


def _mail(hold: Hold, kind: str) -> None:
    if hold.charging_session.driver_id is not None:
        key = f"{hold.idempotency_key}:{kind}"
        queue_mail(driver_id=hold.charging_session.driver_id, kind=kind, key=key, hold=hold)


def _refuse(hold: Hold, decline_class: str, code: str) -> None:
    """No amount is held: the next card when this one is refused for good; else nothing starts, or what runs stops."""
    if not may_step(Hold.TRANSITIONS, hold.status, Status.REFUSED):
        _park(hold, code)
        return
    hold.decline_class, hold.decline_code = decline_class, code[:60]
    _finish(hold, Status.REFUSED)
    session = hold.charging_session
    if decline_class == Decline.HARD and hold.method is not None:
        refuse_method(driver_id=hold.method.driver_id, method_id=hold.method.pk)
        if session.status in (SessionStatus.REQUESTED, SessionStatus.ACTIVE) and _claim(
            session, hold.amount, clock.now()
        ):
            return
    if session.status == SessionStatus.REQUESTED:
        _cancel(session, "hold_refused")
    elif session.status == SessionStatus.ACTIVE:
        _stop(session, "hold_refused")
    else:
        _collect_otherwise(hold)


def _finish(hold: Hold, status: str) -> None:
    check_step(Hold.TRANSITIONS, hold.status, status)
    hold.status = status
    hold.resolved_at = clock.now()
    hold.reread_at = None
    hold.action_url = ""
    hold.save()


def _park(hold: Hold, code: str) -> None:
    """Leave an open hold for an operator: no sweep touches it."""
    hold.reread_at = None
    hold.decline_class, hold.decline_code = str(Decline.PROVIDER), code[:60]
    hold.save(update_fields=["provider_reference", "reread_at", "decline_class", "decline_code"])
    log.error("hold %s is parked: %s", hold.idempotency_key, code)


def _cancel(session: ChargingSession, reason: str) -> None:
    """A locked request whose amount is not held will not start."""
    check_step(ChargingSession.TRANSITIONS, session.status, SessionStatus.CANCELLED)
    session.status, session.stop_reason = SessionStatus.CANCELLED, reason
    session.save(update_fields=["status", "stop_reason"])


def _stop(session: ChargingSession, reason: str) -> None:
    """A locked running session goes on no longer; what it used is charged to the card on file, or owed.

    The gateway finds it by what is written here.
    """
    if session.stop_requested_at is None:
        session.stop_requested_at, session.stop_request_reason = clock.now(), reason
        session.save(update_fields=["stop_requested_at", "stop_request_reason"])
        audit.record(actor_id=None, action="session_stop_requested", subject=session, reason=reason)


def _collect_otherwise(hold: Hold) -> None:
    """The card legs of a settled session waited for the bank's word about the hold: go on with them."""
    legs = FundingLeg.objects.filter(
        cdr__charging_session_id=hold.charging_session_id,
        source=FundingLeg.Source.CARD,
        state__in=OPEN_LEG_STATES,
    )
    for leg_id in legs.values_list("pk", flat=True):
        async_task("billing.tasks.collect_leg", leg_id)


def stop_without_hold(*, now: datetime) -> int:
    """Stop sessions that charge although the bank has not agreed in time; their number. Safe to repeat."""
    waiting = open_card_holds().filter(
        Q(status__in=[Status.ASKED, Status.REQUIRES_ACTION]),
        placed_at__lte=now - HOLD_WITHIN,
        charging_session__status=SessionStatus.ACTIVE,
        charging_session__stop_requested_at=None,
    )
    return sum(_stop_waiting(hold_id) for hold_id in list(waiting.values_list("pk", flat=True)))


@transaction.atomic
def _stop_waiting(hold_id: int) -> int:
    hold = lock_hold(hold_id)
    session = hold.charging_session
    is_late = hold.status in (Status.ASKED, Status.REQUIRES_ACTION) and session.status == SessionStatus.ACTIVE
    if not is_late or session.stop_requested_at is not None:
        return 0
    _stop(session, "hold_not_placed")
    return 1
