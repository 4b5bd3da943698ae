"""An approved price correction is applied: one transaction per session, as often and by as many workers as it takes."""

import logging
from dataclasses import replace
from decimal import Decimal

from django.db import DatabaseError, transaction

from billing.domain.postings import AccountRef, Side
from billing.domain.refunds import RateAmounts
from billing.domain.settlement import earned
from billing.errors import LegUnderWay
from billing.models import Cdr, CdrRevision, FundingLeg, PriceCorrection, SessionCorrection, SessionRefund
from billing.selectors.corrections import price_known
from billing.selectors.refunds import PriceLeft, price_left
from billing.services.debts import call_off_waiting
from billing.services.refunds import RefundPlan, lock_price, plan_parts, spread_over, write_refund
from billing.services.repricing import Selection, reprice
from billing.services.settlement_rows import line_row, totals_row
from common import clock
from common.errors import VoltledgerError
from common.locking import lock_row
from tariffs.domain.result import Payable, RatedSession

log = logging.getLogger(__name__)

State = PriceCorrection.State
ItemState = SessionCorrection.State
LegState = FundingLeg.State


def apply_correction(*, correction_id: int) -> PriceCorrection:
    """Apply what an approved correction planned, oldest session first; one that cannot be done now stops no other.

    A repeat goes on where a killed worker stopped and does nothing twice. What is left waits for the next run.
    """
    correction = PriceCorrection.objects.get(pk=correction_id)
    if correction.state != State.APPROVED:
        return correction
    planned = SessionCorrection.objects.filter(correction=correction, state=ItemState.PLANNED)
    for item_id in list(planned.order_by("charging_session_id").values_list("pk", flat=True)):
        try:
            apply_item(item_id=item_id)
        except (VoltledgerError, DatabaseError):
            log.exception("corrected session %s is left for the next run", item_id)
    return _finish(correction_id)


def apply_approved() -> int:
    """Go on with every approved correction; how many there were. Safe to repeat."""
    approved = PriceCorrection.objects.filter(state=State.APPROVED).order_by("pk")
    correction_ids = list(approved.values_list("pk", flat=True))
    for correction_id in correction_ids:
        apply_correction(correction_id=correction_id)
    return len(correction_ids)


@transaction.atomic
def _finish(correction_id: int) -> PriceCorrection:
    """Locks: the PriceCorrection."""
    correction = lock_row(PriceCorrection.objects.filter(pk=correction_id))
    if correction.state == State.APPROVED and not correction.sessions.filter(state=ItemState.PLANNED).exists():
        correction.state = State.APPLIED
        correction.applied_at = clock.now()
        correction.save(update_fields=["state", "applied_at"])
    return correction


def apply_item(*, item_id: int) -> SessionCorrection:
    """Revise one session's price and give the difference back to the legs that paid it, last of the waterfall first.

    A payment that waits for its driver is called off first. Raises LegUnderWay while a payment is being made.
    """
    waiting = FundingLeg.objects.filter(
        cdr__charging_session__corrections__pk=item_id, state=LegState.REQUIRES_ACTION
    ).values_list("pk", flat=True)
    for leg_id in list(waiting):
        call_off_waiting(leg_id=leg_id)
    return _apply(item_id)


@transaction.atomic
def _apply(item_id: int) -> SessionCorrection:
    """Locks: the ChargingSession, its FundingLegs, the SessionCorrection, then as a refund does."""
    session_id = SessionCorrection.objects.values_list("charging_session_id", flat=True).get(pk=item_id)
    session, cdr, legs = lock_price(session_id)
    item = lock_row(SessionCorrection.objects.filter(pk=item_id).select_related("correction"))
    if item.state != ItemState.PLANNED:
        return item
    correction = item.correction
    (again,) = reprice(selection=Selection(session_ids=[session_id]), document=correction.document)
    if again.payable is None or again.rated is None or again.rated.digest != item.rating_digest:
        return _fail(item, "priced differently since the preview")
    if price_known(cdr).gross != item.old_gross:
        return _fail(item, "corrected otherwise since the preview")
    # What was given back since the preview is not given back once more.
    difference = item.old_gross - again.payable.gross
    item.refund = min(difference, sum((leg.left for leg in legs), Decimal(0)))
    item.covered = difference - item.refund
    refund = None
    if item.refund:
        parts = spread_over(item.refund, legs)
        if any(leg.state in (LegState.ATTEMPTING, LegState.REQUIRES_ACTION) for leg, _ in parts):
            raise LegUnderWay
        country = session.charge_point.location.country
        refund = write_refund(
            session=session,
            cdr=cdr,
            plan=_plan(cdr, parts, country, again.rated, again.payable),
            event="session_corrected",
            kind=SessionRefund.Kind.CORRECTION,
            reason=correction.reason,
            key=f"correction:{correction.public_id}:session:{session_id}",
            actor_id=correction.decided_by_id,
        )
    _revise(cdr, item, refund, again.rated, again.payable)
    item.state = ItemState.APPLIED
    item.save(update_fields=["state", "refund", "covered"])
    return item


def _fail(item: SessionCorrection, note: str) -> SessionCorrection:
    item.state, item.note = ItemState.FAILED, note
    item.save(update_fields=["state", "note"])
    return item


def _plan(
    cdr: Cdr, parts: list[tuple[FundingLeg, Decimal]], country: str, rated: RatedSession, payable: Payable
) -> RefundPlan:
    """What of revenue and VAT changes: exactly the old price less the new one.

    Where a refund had taken a part of the old price already, what is left goes down in proportion instead.
    """
    left = price_left(cdr)
    plan = plan_parts(cdr, parts, left)
    if cdr.refunds.filter(kind=SessionRefund.Kind.REFUND).exists():
        return plan
    new = {
        posting.account: posting.amount for posting in earned(country, rated, payable) if posting.side == Side.CREDIT
    }
    return replace(plan, rates=_rates(left, payable), reversed=_difference({**left.revenue, **left.vat}, new))


def _rates(left: PriceLeft, payable: Payable) -> tuple[RateAmounts, ...]:
    rates = {rate.percent: (rate.net, rate.vat) for rate in left.rates}
    for new in payable.rates:
        net, vat = rates.get(new.vat_percent, (Decimal(0), Decimal(0)))
        rates[new.vat_percent] = (net - new.net, vat - new.vat)
    return tuple(RateAmounts(percent, net, vat) for percent, (net, vat) in rates.items() if net or vat)


def _difference(old: dict[AccountRef, Decimal], new: dict[AccountRef, Decimal]) -> dict[AccountRef, Decimal]:
    zero = Decimal(0)
    changes = {account: old.get(account, zero) - new.get(account, zero) for account in {**old, **new}}
    return {account: change for account, change in changes.items() if change}


def _revise(
    cdr: Cdr, item: SessionCorrection, refund: SessionRefund | None, rated: RatedSession, payable: Payable
) -> CdrRevision:
    lines = [line_row(seq, line) for seq, line in enumerate(rated.lines, 1)]
    return CdrRevision.objects.create(
        cdr=cdr,
        number=cdr.revisions.count() + 1,
        session_correction=item,
        session_refund=refund,
        net=payable.net,
        vat=payable.vat,
        gross=payable.gross,
        covered=item.covered,
        vat_totals=[totals_row(total) for total in payable.rates],
        lines=[
            {name: str(value) if isinstance(value, Decimal) else value for name, value in line.items()}
            for line in lines
        ],
        tariff_digest=rated.tariff.digest,
        rating_digest=rated.digest,
    )
