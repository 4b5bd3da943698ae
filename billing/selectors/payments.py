"""Reading what is unpaid, why, and what happens next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Prefetch, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from djmoney.money import Money

from billing.models import ChargingSession, FundingLeg, Payment, PaymentMethod
from billing.providers.registry import least_charge
from common.formats import money_words

State = FundingLeg.State

# What a card can still pay: from the end of the session until it is paid or written off.
OPEN_LEG_STATES = (State.DUE, State.ATTEMPTING, State.REQUIRES_ACTION, State.RETRYING, State.UNCOLLECTIBLE)
OPEN_LEG_SOURCES = (FundingLeg.Source.CARD, FundingLeg.Source.DEBT)

# An answer that takes longer than this is looked into by a person.
IN_DOUBT_AFTER = timedelta(hours=1)

_DECLINE_WORDS: dict[str, Promise] = {
    "insufficient_funds": _("There was not enough money on the card."),
    "generic_decline": _("The bank declined the payment without giving a reason."),
    "processing_error": _("The bank had a technical problem."),
    "lost_card": _("The card is reported lost."),
    "stolen_card": _("The card is reported stolen."),
    "expired_card": _("The card has expired."),
    "card_unknown": _("The card is no longer known to the payment provider."),
    "authentication_failed": _("The payment was not confirmed at the bank."),
}


@dataclass(frozen=True, slots=True)
class Collection:
    """How far the collection of one leg has come, in words for its driver and an operator.

    `reason` is empty unless something failed or is missing; `action_url` is where the driver confirms the payment.
    """

    leg: FundingLeg
    amount: Money
    reason: str
    attempts: int
    next_attempt_at: datetime | None
    action_url: str
    last_payment: Payment | None
    # Nothing went wrong: it is too little to be charged alone, and waits for more.
    waits_for_more: bool

    @property
    def class_words(self) -> str:
        """What the last decline means for the card; empty unless it was declined."""
        last = self.last_payment
        return decline_class_in_words(last) if last is not None and last.status == Payment.Status.FAILED else ""


def open_legs(driver_id: int) -> QuerySet[FundingLeg]:
    """What the driver owes, oldest session first."""
    return (
        FundingLeg.objects.filter(
            cdr__charging_session__driver_id=driver_id, source__in=OPEN_LEG_SOURCES, state__in=OPEN_LEG_STATES
        )
        .select_related("cdr__charging_session")
        .order_by("cdr_id", "seq")
    )


def open_debt(driver_id: int) -> list[Collection]:
    """Everything the driver owes, oldest first, each with why it is unpaid and what happens next."""
    has_method = usable_methods(driver_id).exists()
    return [_collection(leg, has_method=has_method) for leg in open_legs(driver_id).prefetch_related(_PAYMENTS)]


def collection_of(leg_id: int) -> Collection:
    """The same of one leg, whatever its state."""
    leg = FundingLeg.objects.select_related("cdr__charging_session").prefetch_related(_PAYMENTS).get(pk=leg_id)
    return _collection(leg, has_method=methods_for(leg.cdr.charging_session).exists())


def usable_methods(driver_id: int) -> QuerySet[PaymentMethod]:
    """The cards a payment may be tried on, the default first."""
    return PaymentMethod.objects.filter(driver_id=driver_id, status=PaymentMethod.Status.ACTIVE).order_by(
        "-is_default", "pk"
    )


def methods_for(session: ChargingSession) -> QuerySet[PaymentMethod]:
    """The cards that may pay for a session: its driver's, or the one of who charges without an account."""
    if session.driver_id is not None:
        return usable_methods(session.driver_id)
    return PaymentMethod.objects.filter(ad_hoc__charging_session_id=session.pk, status=PaymentMethod.Status.ACTIVE)


def saved_methods(driver_id: int) -> QuerySet[PaymentMethod]:
    """The cards a driver sees: usable ones, the default first, then those the bank has refused."""
    return (
        PaymentMethod.objects.filter(driver_id=driver_id)
        .exclude(status=PaymentMethod.Status.REMOVED)
        .order_by("-is_default", "status", "pk")
    )


def doubtful_payments(now: datetime, payments: QuerySet[Payment] | None = None) -> QuerySet[Payment]:
    """The work queue: parked by a program, or so long without an answer that a person should look."""
    rows = Payment.objects.all() if payments is None else payments
    unanswered = [Payment.Status.CREATED, Payment.Status.UNANSWERED]
    return rows.filter(
        Q(status__in=Payment.OPEN, reread_at=None) | Q(status__in=unanswered, created_at__lte=now - IN_DOUBT_AFTER)
    )


def is_doubtful(payment: Payment, now: datetime) -> bool:
    return doubtful_payments(now, Payment.objects.filter(pk=payment.pk)).exists()


def decline_in_words(payment: Payment) -> str:
    """Why a payment failed or does not move, for its driver; empty when it neither failed nor is parked."""
    if payment.decline_code in _DECLINE_WORDS:
        return str(_DECLINE_WORDS[payment.decline_code])
    if payment.status in Payment.OPEN and payment.decline_code:
        return str(_("We are checking with the payment provider what became of this payment."))
    if payment.status == Payment.Status.FAILED:
        return str(_("The bank declined the payment."))
    return ""


_CLASS_WORDS: dict[str, Promise] = {
    Payment.DeclineClass.SOFT: _("This may be different another time."),
    Payment.DeclineClass.HARD: _("This card is not used again."),
    Payment.DeclineClass.SCA: _("The bank wants your confirmation."),
    Payment.DeclineClass.PROVIDER: _("This was not your doing, nor your card's."),
}


def decline_class_in_words(payment: Payment) -> str:
    """What a decline means for the card, for its driver; empty when it was not declined."""
    words = _CLASS_WORDS.get(payment.decline_class, "")
    return str(words)


_PAYMENTS = Prefetch("payments", queryset=Payment.objects.select_related("method").order_by("attempt"))


def _collection(leg: FundingLeg, *, has_method: bool) -> Collection:
    payments = list(leg.payments.all())
    last = payments[-1] if payments else None
    is_open = leg.state in OPEN_LEG_STATES
    least = least_charge(leg.cdr.currency)
    waits_for_more = leg.state == State.DUE and leg.left < least and has_method
    reason = _too_little(least, leg.cdr.currency) if waits_for_more else _reason(leg, last, has_method=has_method)
    return Collection(
        leg=leg,
        amount=Money(leg.left, leg.cdr.currency),
        reason=reason if is_open else "",
        attempts=len(payments),
        next_attempt_at=last.next_attempt_at if last and is_open and has_method else None,
        action_url=last.action_url if last else "",
        last_payment=last,
        waits_for_more=waits_for_more,
    )


def _too_little(least: Decimal, currency: str) -> str:
    words = _("A card is not charged less than %(least)s. This is charged together with what comes next.")
    return str(words) % {"least": money_words(least, currency)}


def _reason(leg: FundingLeg, last: Payment | None, *, has_method: bool) -> str:
    if leg.state == State.REQUIRES_ACTION:
        return str(_("Your bank wants you to confirm this payment."))
    told = decline_in_words(last) if last else ""
    if not has_method and leg.state != State.ATTEMPTING:
        return f"{told} {_('There is no usable card. Add one and this is paid at once.')}".strip()
    return told
