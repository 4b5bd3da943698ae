"""What the provider tells us by itself: verified, stored, acknowledged; the work follows.

An event is a hint that something changed. Its content decides nothing: the provider is read again and its present
answer recorded, so that any order and any repetition of events ends in the same state.
"""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q
from django_q.tasks import async_task

from billing.models import Hold, Payment, ProviderEvent, Refund
from billing.providers.base import PaymentProvider, PaymentState, ProviderNotice, ProviderResult
from billing.providers.errors import RequestRefused
from billing.providers.registry import get_provider
from billing.services.ad_hoc import take_card
from billing.services.card_holds import follow_hold_result
from billing.services.card_refunds import record_refund_result
from billing.services.disputes import record_dispute
from billing.services.hold_captures import as_payment
from billing.services.methods import adopt_result
from billing.services.payments import record_payment_result
from common import clock


def receive_event(*, provider: str, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
    """Verify a webhook, store it and queue the work on it. The same event again is the stored one and queues nothing.

    Raises UnknownProvider, SignatureInvalid, WebhookMalformed; then nothing is stored.
    """
    notice = get_provider(provider).parse_webhook(body=body, headers=headers)
    return _store(provider, notice)


@transaction.atomic
def _store(provider: str, notice: ProviderNotice) -> ProviderEvent:
    event, is_new = ProviderEvent.objects.get_or_create(
        provider=provider,
        event_id=notice.event_id,
        defaults={
            "kind": notice.kind,
            "subject": notice.subject,
            "provider_reference": notice.reference,
            "payload": notice.payload,
        },
    )
    if is_new:
        async_task("billing.payment_tasks.process_provider_event", event.pk)
    return event


def process_event(*, event_id: int) -> ProviderEvent:
    """Read again what an event is about and record it. A repeat changes nothing. Raises ProviderUnavailable."""
    event = ProviderEvent.objects.get(pk=event_id)
    if event.processed_at is not None:
        return event
    try:
        note = _follow(get_provider(event.provider), event)
    except RequestRefused as error:
        note = error.message
    # Last, so that a crash before it leaves the event to be processed again; all of the above bears that.
    ProviderEvent.objects.filter(pk=event_id, processed_at__isnull=True).update(
        processed_at=clock.now(), note=str(note)[:200]
    )
    event.refresh_from_db()
    return event


def _follow(provider: PaymentProvider, event: ProviderEvent) -> str:
    """What came of it, in a few words; empty when it was what it said."""
    if event.subject == ProviderEvent.Subject.SETUP:
        setup = provider.fetch_setup(event.provider_reference)
        return "" if adopt_result(provider, setup) or take_card(provider=provider, setup=setup) else "no card was saved"
    return follow(provider, event.subject, event.provider_reference)


def follow(provider: PaymentProvider, subject: str, reference: str) -> str:
    """Read a payment, hold, refund or dispute again and record it; why nothing was recorded, empty when it was.

    Talks to the provider; raises ProviderUnavailable, RequestRefused.
    """
    if subject == ProviderEvent.Subject.PAYMENT:
        return _follow_payment(provider, reference)
    if subject == ProviderEvent.Subject.REFUND:
        return _follow_refund(provider, reference)
    if subject == ProviderEvent.Subject.DISPUTE:
        return _follow_dispute(provider, reference)
    return "nothing to do"


def _follow_payment(provider: PaymentProvider, reference: str) -> str:
    result = provider.fetch(idempotency_key="", reference=reference)
    if result is None:
        return "the provider does not know it"
    hold = Hold.objects.filter(
        Q(provider_reference=result.reference) | Q(idempotency_key=result.idempotency_key),
        method__provider=provider.name,
    ).first()
    if hold is not None:
        return _follow_hold(hold, result)
    payment = Payment.objects.filter(
        # It may be faster than the answer to the request that caused it; then we have no reference yet.
        Q(provider_reference=result.reference) | Q(idempotency_key=result.idempotency_key),
        provider=provider.name,
    ).first()
    if payment is None:
        return "not a payment of ours"
    record_payment_result(payment_id=payment.pk, result=result)
    return ""


def _follow_hold(hold: Hold, result: ProviderResult) -> str:
    """A hold that is being captured is its payment's; else it stands for itself."""
    payment = hold.payment
    if payment is not None and payment.status in Payment.OPEN and result.state is not PaymentState.HELD:
        record_payment_result(payment_id=payment.pk, result=as_payment(payment, hold, result))
    else:
        follow_hold_result(hold_id=hold.pk, result=result)
    return ""


def _follow_refund(provider: PaymentProvider, reference: str) -> str:
    result = provider.fetch_refund(reference=reference)
    if result is None:
        return "the provider does not know it"
    refund = Refund.objects.filter(
        Q(provider_reference=result.reference) | Q(idempotency_key=result.idempotency_key),
        payment__provider=provider.name,
    ).first()
    if refund is None:
        return "not a refund of ours"
    record_refund_result(refund_id=refund.pk, result=result)
    return ""


def _follow_dispute(provider: PaymentProvider, reference: str) -> str:
    """Its payment first, in case the news of that one is still on its way."""
    result = provider.fetch_dispute(reference)
    if result is None:
        return "the provider does not know it"
    payments = Payment.objects.filter(provider=provider.name)
    payment = payments.filter(provider_reference=result.payment_reference).first()
    if payment is None or payment.status != Payment.Status.SUCCEEDED:
        note = _follow_payment(provider, result.payment_reference)
        payment = payments.filter(provider_reference=result.payment_reference).first()
        if payment is None:
            return note or "not a payment of ours"
    dispute = record_dispute(payment_id=payment.pk, result=result)
    return f"not booked: {dispute.problem}" if dispute.problem else ""
