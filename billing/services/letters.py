"""What the mails about payments and wallets say. Each is composed from what is true when it is sent."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from billing.models import ChargingSession, DriverMail, Hold, Payment
from billing.selectors.payments import decline_class_in_words, decline_in_words
from billing.services.mails import Kind, Letter, NotNeeded, register_writer
from common.formats import money_words


def action_required(mail: DriverMail) -> Letter:
    """The bank's page where a payment, or what is held, is confirmed."""
    if mail.hold is not None:
        return _hold_to_confirm(mail.hold)
    payment = _payment_of(mail)
    if payment.status != Payment.Status.REQUIRES_ACTION:
        raise NotNeeded
    amount = money_words(payment.amount, payment.currency)
    return Letter(
        subject=_("Please confirm your payment of %(amount)s") % {"amount": amount},
        template="action_required",
        context={"amount": amount, "for_hold": False, **_about(payment)},
        link=payment.action_url,
        link_words=_("Confirm at your bank"),
    )


def _hold_to_confirm(hold: Hold) -> Letter:
    if hold.status != Hold.Status.REQUIRES_ACTION:
        raise NotNeeded
    session = hold.charging_session
    amount = money_words(hold.amount, session.currency)
    return Letter(
        subject=_("Please confirm that %(amount)s may be held") % {"amount": amount},
        template="action_required",
        context={"amount": amount, "for_hold": True, **_where(session)},
        link=hold.action_url,
        link_words=_("Confirm at your bank"),
    )


def payment_failed(mail: DriverMail) -> Letter:
    """A session could not be charged: which attempt it was, why, and when it is tried next."""
    payment = _payment_of(mail)
    leg = payment.funding_leg
    if payment.status != Payment.Status.FAILED or leg is None or leg.state in (leg.State.PAID, leg.State.REFUNDED):
        raise NotNeeded
    amount = money_words(payment.amount, payment.currency)
    return Letter(
        subject=_("Your payment of %(amount)s was not made") % {"amount": amount},
        template="payment_failed",
        context={
            "amount": amount,
            "attempt": payment.attempt,
            "reason": decline_in_words(payment),
            "kind": decline_class_in_words(payment),
            "next_attempt_at": payment.next_attempt_at,
            **_about(payment),
        },
        link=_address("payment_methods"),
        link_words=_("Pay now or change the card"),
    )


def hold_released(mail: DriverMail) -> Letter:
    """What was held on a card and not used is free again."""
    if mail.hold is None or mail.hold.status != Hold.Status.RELEASED or mail.hold.payment_id is not None:
        raise NotNeeded
    if not mail.driver.wants_notices_by_mail:
        raise NotNeeded(_("The customer does not want mails of this kind."))
    session = mail.hold.charging_session
    amount = money_words(mail.hold.amount, session.currency)
    return Letter(
        subject=_("%(amount)s on your card are free again") % {"amount": amount},
        template="hold_released",
        context={"amount": amount, "card": mail.hold.method, **_where(session)},
        link=_address("session_detail", session.public_id),
        link_words=_("See the session"),
    )


def _payment_of(mail: DriverMail) -> Payment:
    if mail.payment is None:
        raise NotNeeded
    return mail.payment


def _about(payment: Payment) -> dict[str, Any]:
    """What a payment is for, and its card."""
    leg = payment.funding_leg
    where = _where(leg.cdr.charging_session) if leg is not None else {}
    return {"card": payment.method, "is_top_up": leg is None, **where}


def _where(session: ChargingSession) -> dict[str, Any]:
    location = session.charge_point.location
    started_at: datetime | None = session.started_at or session.requested_at
    return {"place": location.name, "started_at": started_at, "time_zone": location.time_zone}


def _address(name: str, *args: object) -> str:
    return f"{settings.SITE_URL}{reverse(name, args=args)}"


def register_letters() -> None:
    """Say who composes what; from AppConfig.ready."""
    register_writer(Kind.ACTION_REQUIRED, action_required)
    register_writer(Kind.PAYMENT_FAILED, payment_failed)
    register_writer(Kind.HOLD_RELEASED, hold_released)
