"""Reading top-ups: what is under way, what failed last, and what its driver can do."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _
from djmoney.money import Money

from billing.models import Payment
from billing.selectors.payments import decline_in_words
from common import clock
from common.money import quantize

Status = Payment.Status
# How long a failed top-up is shown.
NEWS_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TopUpStanding:
    """A top-up that is not paid: `words` say how it stands, `advice` what to do; `action_url` is the bank's page."""

    payment: Payment
    amount: Money
    words: str
    advice: str
    action_url: str
    can_be_cancelled: bool


def unfinished_top_up(driver_id: int) -> TopUpStanding | None:
    """The driver's last top-up unless it was paid or called off, or failed so long ago that it is no news."""
    last = (
        Payment.objects.filter(driver_id=driver_id, purpose=Payment.Purpose.TOP_UP)
        .select_related("method")
        .order_by("-pk")
        .first()
    )
    if last is None or last.status in (Status.SUCCEEDED, Status.CANCELLED):
        return None
    if last.finished_at is not None and clock.now() - last.finished_at > NEWS_FOR:
        return None
    return standing_of(last)


def standing_of(payment: Payment) -> TopUpStanding:
    """How a top-up stands, in words for its driver."""
    waits = payment.status == Status.REQUIRES_ACTION
    if waits:
        words = _("Your bank wants you to confirm this top-up.")
        advice = _("Nothing is charged until you do.")
    elif payment.status == Status.FAILED:
        words = decline_in_words(payment)
        advice = _failure_advice(payment)
    else:
        words = decline_in_words(payment) or _("The payment provider has not answered yet.")
        advice = _("We ask again by ourselves. The credit appears here as soon as it is paid; do not pay twice.")
    return TopUpStanding(
        payment=payment,
        amount=quantize(Money(payment.amount, payment.currency)),
        words=words,
        advice=advice,
        action_url=payment.action_url if waits else "",
        can_be_cancelled=waits,
    )


def _failure_advice(payment: Payment) -> str:
    if payment.is_automatic:
        return _("Nothing was charged. How it goes on is said under automatic top-up.")
    if payment.decline_class == Payment.DeclineClass.HARD:
        return _("Nothing was charged. This card is not used again: choose another card or add one.")
    if payment.decline_class == Payment.DeclineClass.SCA:
        return _("Nothing was charged. Try again and confirm at your bank, or use another card.")
    return _("Nothing was charged. Try a smaller amount or another card, or ask your bank.")
