"""Refunds of a session's price: revenue and VAT are reversed, each leg gets its part back to its own source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.services import audit
from billing.domain.postings import AccountRef, Posting, credit, debit, plain, receivable, system, wallet
from billing.domain.refunds import LegLeft, RateAmounts, split_accounts, split_rates, spread
from billing.domain.waterfall import OPEN_ACCESS, WALLET_SOURCES, Source
from billing.errors import LegUnderWay, NothingToRefund, ReasonMissing, RefundTooLarge
from billing.models import Cdr, ChargingSession, FundingLeg, SessionRefund, SessionRefundLeg
from billing.selectors.refunds import PriceLeft, price_left
from billing.services import ledger
from billing.services.card_refunds import claim_refunds
from billing.services.debts import call_off_waiting
from billing.services.legs import take_off_legs
from billing.services.lots import raise_lots
from common import clock
from common.errors import BadInput, IdempotencyConflict
from common.locking import lock_row, lock_rows
from common.money import quantize_amount

State = FundingLeg.State
Kind = SessionRefund.Kind
# What one of these legs owes is just being decided by the provider or the driver.
_UNDER_WAY = frozenset({State.ATTEMPTING, State.REQUIRES_ACTION})
_WAS_PAID = frozenset({State.PAID})


@dataclass(frozen=True, slots=True)
class RefundPlan:
    """What a refund would do: how much each leg gets back, and what of revenue and VAT is reversed."""

    currency: str
    parts: Sequence[tuple[FundingLeg, Decimal]]
    rates: tuple[RateAmounts, ...]
    reversed: Mapping[AccountRef, Decimal]

    @property
    def net(self) -> Decimal:
        return sum((rate.net for rate in self.rates), Decimal(0))

    @property
    def vat(self) -> Decimal:
        return sum((rate.vat for rate in self.rates), Decimal(0))

    @property
    def gross(self) -> Decimal:
        return self.net + self.vat


def preview_refund(
    *, session_id: int, amount: Decimal | None = None, by_leg: Mapping[int, Decimal] | None = None
) -> RefundPlan:
    """What `refund_session` with these terms would do now. Reads only. Raises as it does."""
    legs = FundingLeg.objects.filter(cdr__charging_session_id=session_id).select_related("lot").order_by("pk")
    return _plan(_cdr_of(session_id), list(legs), amount, by_leg, waiting_is_called_off=True)


def refund_session(
    *,
    session_id: int,
    reason: str,
    idempotency_key: str,
    actor_id: int | None = None,
    amount: Decimal | None = None,
    by_leg: Mapping[int, Decimal] | None = None,
) -> SessionRefund:
    """Give back what a session cost: all that is left of it, `amount` of it, or so much of each leg (`by_leg`, by id).

    An amount is taken from the legs in reverse order of the waterfall. Each part returns to its source: a wallet's lot
    with its kind and expiry, the card that paid, what is still owed, the operator's own expense. A payment that waits
    for the driver's confirmation is called off first.
    Idempotent: the same key with the same terms returns the first refund; other terms raise IdempotencyConflict.
    Raises ReasonMissing, BadInput, NothingToRefund, RefundTooLarge, LegUnderWay. Talks to the provider only to call
    off; what goes back to cards is sent by tasks.
    """
    if not reason.strip():
        raise ReasonMissing
    legs = FundingLeg.objects.filter(cdr__charging_session_id=session_id, state=State.REQUIRES_ACTION)
    for leg_id in list(legs.values_list("pk", flat=True)):
        call_off_waiting(leg_id=leg_id)
    return _refund(
        session_id=session_id,
        reason=reason,
        idempotency_key=idempotency_key,
        actor_id=actor_id,
        amount=amount,
        by_leg=by_leg,
    )


@transaction.atomic
def _refund(
    *,
    session_id: int,
    reason: str,
    idempotency_key: str,
    actor_id: int | None,
    amount: Decimal | None,
    by_leg: Mapping[int, Decimal] | None,
) -> SessionRefund:
    """Locks: the ChargingSession, its FundingLegs, their Payments, the driver's LedgerAccounts, the WalletLots."""
    session, cdr, legs = lock_price(session_id)
    stored = SessionRefund.objects.filter(idempotency_key=idempotency_key).first()
    if stored is not None:
        _refuse_other_terms(stored, cdr, amount, by_leg)
        return stored
    plan = _plan(cdr, legs, amount, by_leg)
    refund = write_refund(
        session=session,
        cdr=cdr,
        plan=plan,
        event="session_refunded",
        kind=Kind.REFUND,
        reason=reason,
        key=idempotency_key,
        actor_id=actor_id,
    )
    audit.record(
        actor_id=actor_id,
        action="session_refunded",
        subject=session,
        reason=reason,
        data={
            "amount": str(refund.gross),
            "currency": refund.currency,
            "legs": {str(leg.seq): str(part) for leg, part in plan.parts},
        },
    )
    return refund


def lock_price(session_id: int) -> tuple[ChargingSession, Cdr, list[FundingLeg]]:
    """A billed session, its Cdr and legs. Locks: the ChargingSession, its FundingLegs. Raises NothingToRefund."""
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    cdr = _cdr_of(session_id)
    return session, cdr, lock_rows(FundingLeg.objects.filter(cdr=cdr).select_related("lot"))


def write_refund(
    *,
    session: ChargingSession,
    cdr: Cdr,
    plan: RefundPlan,
    event: str,
    kind: str,
    reason: str,
    key: str,
    actor_id: int | None,
) -> SessionRefund:
    """Write a planned refund of a locked session: its posting, its legs, the lots, the card refunds to be sent."""
    paid = {leg.pk: part for leg, part in plan.parts if _goes_back_to_a_card(leg)}
    was_paid = {leg.pk: leg.state in _WAS_PAID for leg, _ in plan.parts}
    # Before the ledger's accounts, because payments are locked before them.
    card_refunds = claim_refunds(parts=paid, key=key, reason=reason)
    posted = ledger.post(
        idempotency_key=f"{key}:refunded",
        event=event,
        occurred_at=clock.now(),
        currency=plan.currency,
        postings=refund_postings(plan, session.driver_id),
        reference=str(session.public_id),
        note=reason[:200],
    )
    raise_lots([Source(leg.source, part, leg.lot_id) for leg, part in plan.parts if leg.lot_id is not None])
    take_off_legs(session=session, parts={leg.pk: part for leg, part in plan.parts})
    refund = SessionRefund.objects.create(
        idempotency_key=key,
        cdr=cdr,
        kind=kind,
        currency=plan.currency,
        net=plan.net,
        vat=plan.vat,
        gross=plan.gross,
        vat_totals=[_rate_row(rate) for rate in plan.rates],
        reason=reason[:200],
        actor_id=actor_id,
        ledger_transaction=posted,
    )
    SessionRefundLeg.objects.bulk_create(
        SessionRefundLeg(session_refund=refund, funding_leg=leg, amount=part, was_paid=was_paid[leg.pk])
        for leg, part in plan.parts
    )
    for card_refund in card_refunds:
        card_refund.session_refund = refund
        card_refund.save(update_fields=["session_refund"])
    return refund


def plan_parts(cdr: Cdr, parts: Sequence[tuple[FundingLeg, Decimal]], left: PriceLeft) -> RefundPlan:
    """Revenue and VAT in proportion to what is left of them, for what the legs get back."""
    currency = cdr.currency
    amount = sum((part for _, part in parts), Decimal(0))
    rates = split_rates(amount, left.rates, currency)
    taken = split_accounts(sum((rate.net for rate in rates), Decimal(0)), left.revenue, currency)
    for rate in rates:
        if rate.vat:
            account = left.vat_account_of(rate.percent)
            taken[account] = taken.get(account, Decimal(0)) + rate.vat
    return RefundPlan(currency, parts, rates, taken)


def spread_over(amount: Decimal, legs: Sequence[FundingLeg]) -> list[tuple[FundingLeg, Decimal]]:
    """`amount` over legs, last of the waterfall first."""
    parts = spread(amount, [LegLeft(leg.pk, leg.seq, leg.left) for leg in legs])
    by_id = {leg.pk: leg for leg in legs}
    return [(by_id[leg_id], part) for leg_id, part in parts.items()]


def _plan(
    cdr: Cdr,
    legs: Sequence[FundingLeg],
    amount: Decimal | None,
    by_leg: Mapping[int, Decimal] | None,
    *,
    waiting_is_called_off: bool = False,
) -> RefundPlan:
    if amount is not None and by_leg is not None:
        raise BadInput("Give either one amount or an amount for each leg.")
    left = sum((leg.left for leg in legs), Decimal(0))
    if not left:
        raise NothingToRefund
    if by_leg is not None:
        parts = _named_parts(cdr, legs, by_leg)
    else:
        asked = left if amount is None else amount
        _check_amount(asked, left, cdr.currency)
        parts = spread_over(asked, legs)
    under_way = {State.ATTEMPTING} if waiting_is_called_off else _UNDER_WAY
    if any(leg.state in under_way for leg, _ in parts):
        raise LegUnderWay
    return plan_parts(cdr, parts, price_left(cdr))


def _named_parts(
    cdr: Cdr, legs: Sequence[FundingLeg], by_leg: Mapping[int, Decimal]
) -> list[tuple[FundingLeg, Decimal]]:
    known = {leg.pk: leg for leg in legs}
    if not by_leg or not by_leg.keys() <= known.keys():
        raise BadInput("Name at least one leg, and legs of this session only.")
    for leg_id, part in by_leg.items():
        _check_amount(part, known[leg_id].left, cdr.currency)
    return [(known[leg_id], part) for leg_id, part in sorted(by_leg.items(), key=lambda one: -known[one[0]].seq)]


def _check_amount(amount: Decimal, left: Decimal, currency: str) -> None:
    if amount <= 0 or amount != quantize_amount(amount, currency):
        raise BadInput(f"{amount} {currency} is not an amount that can be refunded. Use whole cents above zero.")
    if amount > left:
        raise RefundTooLarge


def _goes_back_to_a_card(leg: FundingLeg) -> bool:
    return leg.source in (FundingLeg.Source.CARD, FundingLeg.Source.DEBT) and leg.state in _WAS_PAID


def refund_postings(plan: RefundPlan, driver_id: int | None) -> list[Posting]:
    """What was earned goes down; each leg's payer gets it."""
    payers: dict[AccountRef, Decimal] = {}
    for leg, part in plan.parts:
        account = _payer(leg, driver_id, plan.currency)
        payers[account] = payers.get(account, Decimal(0)) + part
    return [
        *(debit(account, amount) for account, amount in plan.reversed.items() if amount > 0),
        *(credit(account, -amount) for account, amount in plan.reversed.items() if amount < 0),
        *(credit(account, amount) for account, amount in payers.items()),
    ]


def _payer(leg: FundingLeg, driver_id: int | None, currency: str) -> AccountRef:
    """Whose account a leg's part is credited to. A card's own refund is posted when the provider has made it."""
    if leg.source == OPEN_ACCESS:
        return system("open_access_expense", currency)
    if leg.source in WALLET_SOURCES:
        return wallet(driver_id or 0, currency)
    if leg.state == State.WRITTEN_OFF:
        return system("bad_debt", currency)
    return receivable(driver_id, currency)


def _rate_row(rate: RateAmounts) -> dict[str, Any]:
    return {
        "percent": None if rate.percent is None else plain(rate.percent),
        "net": str(rate.net),
        "vat": str(rate.vat),
        "gross": str(rate.gross),
    }


def _cdr_of(session_id: int) -> Cdr:
    cdr = Cdr.objects.filter(charging_session_id=session_id).first()
    if cdr is None:
        raise NothingToRefund
    return cdr


def _refuse_other_terms(
    stored: SessionRefund, cdr: Cdr, amount: Decimal | None, by_leg: Mapping[int, Decimal] | None
) -> None:
    same = stored.cdr_id == cdr.pk and (amount is None or amount == stored.gross)
    if by_leg is not None:
        same = same and dict(stored.legs.values_list("funding_leg_id", "amount")) == dict(by_leg)
    if not same:
        raise IdempotencyConflict
