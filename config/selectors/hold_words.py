"""What is or was reserved on a card for a session, in words for its driver and an operator."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import ChargingSession, Hold
from common.formats import money_words

Status = Hold.Status


@dataclass(frozen=True, slots=True)
class ReservedOnCard:
    """`action_url` is where the driver confirms it, empty when there is nothing to confirm."""

    words: str
    card: str
    action_url: str
    until: datetime | None


def reserved_on_cards(session: ChargingSession) -> list[ReservedOnCard]:
    """Every amount asked for on a card, oldest first. One query."""
    holds = session.holds.filter(source=Hold.Source.CARD).select_related("method").order_by("pk")
    return [
        ReservedOnCard(
            words=hold_words(hold, session.currency),
            card=str(hold.method or ""),
            action_url=hold.action_url if session.status in ("requested", "active") else "",
            until=hold.expires_at if hold.status == Status.ACTIVE else None,
        )
        for hold in holds
    ]


def hold_words(hold: Hold, currency: str) -> str:
    """Such as “25.00 € reserved, 6.20 € taken, the rest released”."""
    amounts = {
        "amount": money_words(hold.amount, currency),
        "taken": money_words(hold.captured_amount, currency),
    }
    if hold.status == Status.CAPTURED:
        if hold.captured_amount == hold.amount:
            return _("%(amount)s reserved and taken") % amounts
        return _("%(amount)s reserved, %(taken)s taken, the rest released") % amounts
    if hold.release_asked_at is not None and hold.status in Hold.OPEN:
        return _("%(amount)s reserved, being released") % amounts
    return {
        Status.ASKED: _("%(amount)s: the bank is being asked"),
        Status.REQUIRES_ACTION: _("%(amount)s: your bank wants you to confirm"),
        Status.ACTIVE: _("%(amount)s reserved"),
        Status.RELEASED: _("%(amount)s released, nothing taken"),
        Status.EXPIRED: _("%(amount)s no longer reserved: its time was over"),
        Status.REFUSED: _("%(amount)s refused by the bank"),
    }[Status(hold.status)] % amounts


# Why a session whose amount was not reserved did not start, or was stopped.
NOT_RESERVED = {
    "hold_refused": gettext_lazy("Your bank did not agree to reserve the amount. Add another card, or ask your bank."),
    "hold_expired": gettext_lazy("The amount reserved on your card was let go by your bank."),
    "hold_not_placed": gettext_lazy(
        "Your bank did not agree in time to reserve the amount. Try again, or add another card."
    ),
}


def not_reserved_words(session: ChargingSession) -> str:
    """Empty unless the session did not start or was stopped for want of a reserved amount."""
    return str(NOT_RESERVED.get(session.stop_request_reason) or NOT_RESERVED.get(session.stop_reason) or "")
