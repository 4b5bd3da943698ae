"""Automatic top-up in words, for its driver and for operators."""

from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _

from billing.models import AutoTopUp, PaymentMethod
from billing.selectors.auto_top_ups import AutoTopUpStanding
from common.formats import money_words


def consent_words(method: PaymentMethod) -> str:
    """The sentence a driver agrees to; with the amounts of the form it is kept in the audit trail."""
    return _(
        "I agree that %(operator)s charges the card I use first, now %(card)s, by itself and without asking me again: "
        "the amount under “Top up by”, each time my balance less what running sessions have cost falls below the "
        "amount under “When the balance is below”, or a session has used 80 %% of my balance; never more than the "
        "maximum in a day and in a month. I can switch this off at any time."
    ) % {"operator": settings.OPERATOR_NAME, "card": method}


def plan_words(plan: AutoTopUp) -> str:
    """What was agreed to, in one sentence."""

    def shown(amount: Decimal) -> str:
        return money_words(amount, plan.currency)

    return _("Below %(threshold)s, %(amount)s are charged; at most %(day)s in a day and %(month)s in a month.") % {
        "threshold": shown(plan.threshold),
        "amount": shown(plan.amount),
        "day": shown(plan.max_per_day),
        "month": shown(plan.max_per_month),
    }


def standing_words(standing: AutoTopUpStanding) -> str:
    """How it stands: on, why not, or what it waits for; the moment it waits for is shown beside it."""
    plan = standing.plan
    if not standing.is_offered:
        return _("The present contract does not offer it, so nothing is charged.")
    if plan.status == AutoTopUp.Status.PAUSED:
        return _("It is switched off. Nothing is charged by itself.")
    if plan.status == AutoTopUp.Status.STOPPED:
        return {
            AutoTopUp.StopReason.FAILED_TWICE: _("Two top-ups failed in a row, so it was switched off."),
            AutoTopUp.StopReason.NO_CARD: _("There was no usable card, so it was switched off."),
            AutoTopUp.StopReason.WALLET_CLOSED: _("The wallet was closed, so it was switched off."),
        }[AutoTopUp.StopReason(plan.stop_reason)]
    if plan.failures:
        return _("The last top-up failed. If the next one fails too, it is switched off.")
    if standing.waits_until:
        return _("The maximum is reached for now.")
    return _("The card used first is charged when it is needed.")
