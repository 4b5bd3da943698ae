"""Reading what both sides say of payments, holds, refunds and disputes, as billing.domain.reconciliation compares it.

A listing's page is matched with a fixed number of queries, however long it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from billing.domain.reconciliation import Fate, Kind, Side, judge
from billing.models import Discrepancy, Dispute, FundingLeg, Hold, Payment, Refund
from billing.providers.base import DisputeResult, DisputeState, PaymentState, ProviderResult, RefundResult

Subject = Discrepancy.Subject
# Refunds we made of charges that are not ours carry keys of this kind.
OWN_KEYS = "reconciliation:"

_THEIR_FATES = {
    PaymentState.SUCCEEDED: Fate.TAKEN,
    PaymentState.HELD: Fate.HELD,
    PaymentState.REQUIRES_ACTION: Fate.OPEN,
    PaymentState.PENDING: Fate.OPEN,
    PaymentState.DECLINED: Fate.NOTHING,
    PaymentState.CANCELLED: Fate.NOTHING,
}
_PAYMENT_FATES: dict[str, Fate] = {
    Payment.Status.SUCCEEDED: Fate.TAKEN,
    Payment.Status.FAILED: Fate.NOTHING,
    Payment.Status.CANCELLED: Fate.NOTHING,
    **dict.fromkeys(Payment.OPEN, Fate.OPEN),
}
_HOLD_FATES: dict[str, Fate] = {
    Hold.Status.ASKED: Fate.OPEN,
    Hold.Status.REQUIRES_ACTION: Fate.OPEN,
    Hold.Status.ACTIVE: Fate.HELD,
    Hold.Status.CAPTURED: Fate.TAKEN,
    Hold.Status.RELEASED: Fate.NOTHING,
    Hold.Status.EXPIRED: Fate.NOTHING,
    Hold.Status.REFUSED: Fate.NOTHING,
}
_REFUND_FATES: dict[str, Fate] = {
    Refund.Status.SUCCEEDED: Fate.TAKEN,
    Refund.Status.FAILED: Fate.NOTHING,
    **dict.fromkeys(Refund.OPEN, Fate.OPEN),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing as both sides tell it. `kind` is what is wrong, None when nothing is; `is_settled`: it is put right
    already. `row` is ours, None where we have none."""

    subject: str
    reference: str
    key: str
    kind: Kind | None
    our_state: str
    their_state: str
    our_amount: Decimal | None
    their_amount: Decimal | None
    currency: str
    row: Payment | Hold | Refund | Dispute | None = None
    is_settled: bool = False


def compare_payments(provider: str, results: Sequence[ProviderResult]) -> list[Compared]:
    """Payments and holds of a listing, each with ours. Four queries."""
    references = [result.reference for result in results]
    keys = [result.idempotency_key for result in results if result.idempotency_key]
    named = Q(provider_reference__in=references) | Q(idempotency_key__in=keys)
    holds = _by_name(Hold.objects.filter(named, method__provider=provider).select_related(*_HOLD_WITH))
    payments = _by_name(Payment.objects.filter(named, provider=provider).select_related(*_PAYMENT_WITH))
    twice = _paid_twice(payments.values())
    compared = []
    for result in results:
        hold = holds.get(result.reference) or holds.get(result.idempotency_key)
        payment = payments.get(result.reference) or payments.get(result.idempotency_key)
        if hold is not None:
            compared.append(compare_hold(hold, result))
        else:
            compared.append(compare_payment(payment, result, twice=twice))
    return compared


def compare_payment(
    payment: Payment | None, result: ProviderResult | None, *, twice: "Twice | None" = None
) -> Compared:
    """One payment; `twice` as `compare_payments` finds it, looked up when it is left out."""
    ours = None if payment is None else Side(_PAYMENT_FATES[payment.status], payment.amount, payment.currency)
    theirs = None if result is None else _their_side(result)
    known = twice if twice is not None else _paid_twice([payment] if payment else [])
    is_duplicate = payment is not None and payment.pk in known.duplicates
    kind = judge(ours, theirs, is_paid_otherwise=is_duplicate)
    return _compared(
        Subject.PAYMENT,
        payment,
        result,
        kind,
        ours,
        theirs,
        is_settled=payment is not None and payment.pk in known.given_back,
    )


def compare_hold(hold: Hold, result: ProviderResult | None) -> Compared:
    """One hold of ours; while a payment captures it, nothing is decided."""
    currency = hold.charging_session.currency
    is_captured = hold.status == Hold.Status.CAPTURED
    ours = Side(_HOLD_FATES[hold.status], hold.captured_amount if is_captured else hold.amount, currency)
    theirs = None if result is None else _their_side(result)
    is_being_captured = hold.payment is not None and hold.payment.status in Payment.OPEN
    kind = None if is_being_captured else judge(ours, theirs)
    return _compared(Subject.HOLD, hold, result, kind, ours, theirs)


def compare_refunds(provider: str, results: Sequence[RefundResult]) -> list[Compared]:
    """Refunds of a listing, each with ours; those made here of charges that are not ours agree. Two queries."""
    references = [result.reference for result in results]
    keys = [result.idempotency_key for result in results if result.idempotency_key]
    named = Q(provider_reference__in=references) | Q(idempotency_key__in=keys)
    rows = _by_name(Refund.objects.filter(named, payment__provider=provider).select_related("payment"))
    return [
        compare_refund(rows.get(result.reference) or rows.get(result.idempotency_key), result)
        for result in results
        if not result.idempotency_key.startswith(OWN_KEYS)
    ]


def compare_refund(refund: Refund | None, result: RefundResult | None) -> Compared:
    ours = None if refund is None else Side(_REFUND_FATES[refund.status], refund.amount, refund.payment.currency)
    theirs = None if result is None else Side(_THEIR_FATES[result.state], *_parts(result.amount))
    return _compared(Subject.REFUND, refund, result, judge(ours, theirs), ours, theirs)


def compare_disputes(provider: str, results: Sequence[DisputeResult]) -> list[Compared]:
    """Disputes of a listing, each with ours. Two queries."""
    references = [result.reference for result in results]
    rows = Dispute.objects.filter(provider=provider, provider_reference__in=references).select_related("payment")
    known = {row.provider_reference: row for row in rows}
    return [compare_dispute(known.get(result.reference), result) for result in results]


def compare_dispute(dispute: Dispute | None, result: DisputeResult | None) -> Compared:
    """By its own states and by the money it keeps; an inquiry that takes none may be unknown to us."""
    currency = dispute.payment.currency if dispute is not None else str(result.amount.currency) if result else ""
    our_kept = None if dispute is None else dispute.withdrawn - dispute.reinstated
    their_kept = None if result is None else result.withdrawn.amount - result.reinstated.amount
    kind = None
    if dispute is None:
        harmless = (DisputeState.INQUIRY, DisputeState.INQUIRY_CLOSED)
        kind = None if result is None or result.state in harmless else Kind.MISSING_HERE
    elif result is None:
        kind = Kind.MISSING_THERE
    elif dispute.status != str(result.state):
        kind = Kind.STATE_DIFFERS
    elif our_kept != their_kept or str(result.amount.currency) != currency:
        kind = Kind.AMOUNT_DIFFERS
    return Compared(
        subject=Subject.DISPUTE,
        reference=result.reference if result else dispute.provider_reference if dispute else "",
        key="",
        kind=kind,
        our_state=dispute.status if dispute else "",
        their_state=str(result.state) if result else "",
        our_amount=our_kept,
        their_amount=their_kept,
        currency=currency,
        row=dispute,
    )


def ours_between(provider: str, since: datetime, until: datetime) -> list[tuple[str, QuerySet[Any]]]:
    """What we made in a span of time and the provider should know, by subject."""
    made = {"created_at__gte": since, "created_at__lt": until}
    return [
        # What is taken of a hold is compared with the hold.
        (
            Subject.PAYMENT,
            Payment.objects.filter(
                **made, provider=provider, status=Payment.Status.SUCCEEDED, holds__isnull=True
            ).select_related(*_PAYMENT_WITH),
        ),
        (
            Subject.HOLD,
            Hold.objects.filter(
                source=Hold.Source.CARD,
                method__provider=provider,
                placed_at__gte=since,
                placed_at__lt=until,
                status__in=[Hold.Status.ACTIVE, Hold.Status.CAPTURED],
            ).select_related(*_HOLD_WITH),
        ),
        (
            Subject.REFUND,
            Refund.objects.filter(**made, payment__provider=provider, status=Refund.Status.SUCCEEDED).select_related(
                "payment"
            ),
        ),
        (
            Subject.DISPUTE,
            Dispute.objects.filter(provider=provider, opened_at__gte=since, opened_at__lt=until).select_related(
                "payment"
            ),
        ),
    ]


_PAYMENT_WITH = ("driver", "method", "funding_leg")
_SETTLED = (FundingLeg.State.PAID, FundingLeg.State.REFUNDED)
_HOLD_WITH = ("charging_session", "method", "payment")


@dataclass(frozen=True, slots=True)
class Twice:
    """Payments that charge what another payment has paid; of these, those whose money is back already."""

    duplicates: frozenset[int]
    given_back: frozenset[int]


def _paid_twice(payments: Iterable[Payment]) -> Twice:
    """Which of these payments are one charge too many. Two queries.

    Of one leg that was paid more than once it is the payment that gave back its surplus; before anything was given
    back, every other one than the first.
    """
    legs = {payment.funding_leg_id for payment in payments if payment.funding_leg_id is not None}
    by_leg: dict[int, list[Payment]] = {}
    paid = Payment.objects.filter(funding_leg__in=legs, status=Payment.Status.SUCCEEDED).order_by("finished_at", "pk")
    for payment in paid:
        by_leg.setdefault(payment.funding_leg_id or 0, []).append(payment)
    surplus = {
        refund.payment_id: refund
        for refund in Refund.objects.filter(
            payment__funding_leg__in=legs, idempotency_key__contains=":surplus:"
        ).order_by("pk")
    }
    duplicates, given_back = set(), set()
    for payment in payments:
        others = [other for other in by_leg.get(payment.funding_leg_id or 0, []) if other.pk != payment.pk]
        leg = payment.funding_leg
        if payment.status != Payment.Status.SUCCEEDED and leg is not None and leg.state in _SETTLED:
            # By whatever means, along with another session included.
            duplicates.add(payment.pk)
        if not others:
            continue
        refund = surplus.get(payment.pk)
        is_first = payment.status == Payment.Status.SUCCEEDED and payment.pk < min(other.pk for other in others)
        is_other_surplus = any(other.pk in surplus for other in others)
        if refund is not None or not (is_first or is_other_surplus):
            duplicates.add(payment.pk)
            if refund is not None and refund.status == Refund.Status.SUCCEEDED:
                given_back.add(payment.pk)
    return Twice(frozenset(duplicates), frozenset(given_back))


def _their_side(result: ProviderResult) -> Side:
    fate = _THEIR_FATES[result.state]
    return Side(fate, *_parts(result.captured if fate is Fate.TAKEN else result.amount))


def _parts(money: Any) -> tuple[Decimal, str]:
    return money.amount, str(money.currency)


def _by_name(rows: Iterable[Any]) -> dict[str, Any]:
    """By the provider's reference and by our key."""
    return {name: row for row in rows for name in (row.provider_reference, row.idempotency_key) if name}


def _compared(
    subject: str, row: Any, result: Any, kind: Kind | None, ours: Side | None, theirs: Side | None, **more: Any
) -> Compared:
    known = theirs or ours
    return Compared(
        subject=subject,
        reference=result.reference if result is not None else row.provider_reference if row is not None else "",
        key=row.idempotency_key if row is not None else "",
        kind=kind,
        our_state=row.status if row is not None else "",
        their_state=str(result.state) if result is not None else "",
        our_amount=None if ours is None else ours.amount,
        their_amount=None if theirs is None else theirs.amount,
        currency=known.currency if known is not None else "",
        row=row,
        **more,
    )
