"""What the mails about payments and wallets say. Each is composed from what is true when it is sent."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from billing.models import AutoTopUp, ChargingSession, DriverMail, Hold, Payment
from billing.selectors.payments import decline_class_in_words, decline_in_words
from billing.selectors.wallets import wallet_currency, wallet_of
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
            "with_others": payment.amount > leg.left,
            "reason": decline_in_words(payment),
            "kind": decline_class_in_words(payment),
            "next_attempt_at": payment.next_attempt_at,
            **_about(payment),
        },
        link=_address("payment_methods"),
        link_words=_("Pay now or change the card"),
    )


def top_up_failed(mail: DriverMail) -> Letter:
    """A top-up was not made while its driver was not looking."""
    payment = _payment_of(mail)
    if payment.status == Payment.Status.SUCCEEDED:
        raise NotNeeded
    plan = _plan_of(mail)
    amount = money_words(payment.amount, payment.currency)
    return Letter(
        subject=_("Your top-up of %(amount)s was not made") % {"amount": amount},
        template="top_up_failed",
        context={
            "amount": amount,
            "card": payment.method,
            "reason": _failure(payment),
            "is_automatic": payment.is_automatic,
            "next_attempt_at": plan.next_attempt_at if plan and plan.status == AutoTopUp.Status.ON else None,
            **_balance(mail),
        },
        link=_address("wallet"),
        link_words=_("Open the wallet"),
    )


def auto_top_up_stopped(mail: DriverMail) -> Letter:
    """Automatic top-up was switched off, and why."""
    plan = _plan_of(mail)
    if plan is None or plan.status != AutoTopUp.Status.STOPPED:
        raise NotNeeded
    return Letter(
        subject=_("Automatic top-up is switched off"),
        template="auto_top_up_stopped",
        context={
            "amount": money_words(plan.amount, plan.currency),
            "failed_twice": plan.stop_reason == AutoTopUp.StopReason.FAILED_TWICE,
            "card": mail.payment.method if mail.payment else None,
            "reason": _failure(mail.payment) if mail.payment else "",
            **_balance(mail),
        },
        link=_address("auto_top_up"),
        link_words=_("Switch it on again"),
    )


def low_balance(mail: DriverMail) -> Letter:
    """The wallet has fallen below the limit of the network."""
    if not mail.driver.wants_notices_by_mail:
        raise NotNeeded(_("The customer does not want mails of this kind."))
    wallet = wallet_of(mail.driver_id)
    if wallet.balance.amount >= settings.LOW_BALANCE:
        raise NotNeeded
    context = _balance(mail)
    return Letter(
        subject=_("Only %(balance)s are left in your wallet") % context,
        template="low_balance",
        context={**context, "least": money_words(settings.LOW_BALANCE, wallet.currency)},
        link=_address("wallet"),
        link_words=_("Open the wallet"),
    )


def _plan_of(mail: DriverMail) -> AutoTopUp | None:
    currency = mail.payment.currency if mail.payment else wallet_currency(mail.driver_id)
    return AutoTopUp.objects.filter(driver_id=mail.driver_id, currency=currency).first()


def _failure(payment: Payment) -> str:
    """Why a top-up came to nothing; called off is what nobody confirmed."""
    if payment.status == Payment.Status.CANCELLED:
        return _("It was not confirmed at the bank in time.")
    return f"{decline_in_words(payment)} {decline_class_in_words(payment)}".strip()


def _balance(mail: DriverMail) -> dict[str, Any]:
    wallet = wallet_of(mail.driver_id, mail.payment.currency if mail.payment else "")
    return {"balance": money_words(wallet.balance.amount, wallet.currency)}


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
    register_writer(Kind.TOP_UP_FAILED, top_up_failed)
    register_writer(Kind.AUTO_TOP_UP_STOPPED, auto_top_up_stopped)
    register_writer(Kind.LOW_BALANCE, low_balance)
