"""Refunds of a session in words: when, how much, where each part went and how far it has come."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from billing.domain.waterfall import WALLET_SOURCES
from billing.models import Cdr, ChargingSession, FundingLeg, Payment, Refund, SessionRefund
from billing.selectors.refunds import refunds_of, surplus_refunds
from common import clock


@dataclass(frozen=True)
class RefundPart:
    """Where a part went. `refund` is the card refund it is, if it is one."""

    words: str
    amount: Decimal
    state: str = ""
    refund: Refund | None = None


@dataclass(frozen=True)
class RefundShown:
    """One refund; `reason` and `by` are for operators."""

    at: datetime
    amount: Decimal
    title: str
    reason: str
    by: str
    parts: tuple[RefundPart, ...]


def refunds_shown(cdr: Cdr) -> list[RefundShown]:
    """Everything that was given back of a session, oldest first. Six queries, however many."""
    whole = [_session_refund(refund) for refund in refunds_of(cdr)]
    surplus = [_surplus(refund) for refund in surplus_refunds(cdr) if not _is_taken_up(refund)]
    return sorted([*whole, *surplus], key=lambda shown: shown.at)


def given_back_words(session: ChargingSession) -> str:
    """Why a session of `with_final_price` cost less in the end than was billed; empty where it did not."""
    if session.is_corrected:  # type: ignore[attr-defined]
        return _("Price corrected")
    is_less = session.final_gross is not None and session.final_gross < session.cdr.gross  # type: ignore[attr-defined]
    return _("Refunded") if is_less else ""


def part_words(leg: FundingLeg, *, was_paid: bool, payment: Payment | None = None) -> str:
    """Where a leg's part goes: “into the wallet”, “to the card Visa •4242”, “off what is still to be paid”."""
    if leg.source in WALLET_SOURCES:
        lot = leg.lot
        if leg.source == FundingLeg.Source.WALLET_CASH or lot is None:
            return _("into the wallet")
        if lot.expires_at is None:
            return _("into the wallet, as promotional credit")
        day = date_format(lot.expires_at)
        if lot.expires_at <= clock.now():
            return _("promotional credit that has expired on %(day)s: it cannot be spent any more") % {"day": day}
        return _("into the wallet, as promotional credit until %(day)s") % {"day": day}
    if leg.source == FundingLeg.Source.OPEN_ACCESS:
        return _("to the operator, who had paid it")
    if not was_paid:
        return _("off what is still to be paid")
    if payment is not None and payment.method is not None:
        return _("to the card %(card)s") % {"card": payment.method}
    return _("to the card that paid")


def _is_through(card_refund: Refund, leg: FundingLeg) -> bool:
    """The payment it goes back through paid this leg, by itself or together with another."""
    return leg.pk == card_refund.payment.funding_leg_id or leg.collected_with_id == card_refund.payment_id


def _session_refund(refund: SessionRefund) -> RefundShown:
    card_refunds = [one for one in refund.card_refunds.all() if not _is_taken_up(one)]
    parts: list[RefundPart] = []
    for part in refund.legs.all():
        leg = part.funding_leg
        sent = [one for one in card_refunds if _is_through(one, leg)]
        if sent:
            parts += [_card_part(one, leg) for one in sent]
        else:
            parts.append(RefundPart(part_words(leg, was_paid=part.was_paid), part.amount))
    return RefundShown(
        at=refund.created_at,
        amount=refund.gross,
        title=str(refund.get_kind_display()),
        reason=refund.reason,
        by=str(refund.actor or ""),
        parts=tuple(parts),
    )


def _surplus(refund: Refund) -> RefundShown:
    words = _("to the card %(card)s") % {"card": refund.payment.method}
    return RefundShown(
        at=refund.created_at,
        amount=refund.amount,
        title=_("Charged twice"),
        reason=refund.reason,
        by="",
        parts=(RefundPart(words, refund.amount, str(refund.get_status_display()), refund),),
    )


def _card_part(refund: Refund, leg: FundingLeg) -> RefundPart:
    words = part_words(leg, was_paid=True, payment=refund.payment)
    return RefundPart(words, refund.amount, str(refund.get_status_display()), refund)


def _is_taken_up(refund: Refund) -> bool:
    """It failed and another attempt has taken its place."""
    return refund.status == Refund.Status.FAILED and hasattr(refund, "retried_as")
