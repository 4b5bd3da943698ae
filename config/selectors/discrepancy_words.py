"""Differences with the payment provider in words for an operator: what differs, and what can be done."""

from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import Discrepancy
from common.formats import money_words

Kind = Discrepancy.Kind

_ADVICE = {
    Kind.MISSING_HERE: gettext_lazy(
        "The provider knows it and we do not. A charge may be somebody else's on the same account, or made on the "
        "provider's own pages; a refund made there lowers what the provider keeps, not what the customer owes."
    ),
    Kind.MISSING_THERE: gettext_lazy(
        "Our books say that money moved, and the provider does not know of it. Ask the provider before anything else."
    ),
    Kind.AMOUNT_DIFFERS: gettext_lazy(
        "Both sides know it with different amounts. Ask the provider which one is right."
    ),
    Kind.STATE_DIFFERS: gettext_lazy(
        "Both sides know it and say different things, mostly because a message got lost. Taking over the provider's "
        "state books it as its message would have."
    ),
    Kind.ORPHAN_HOLD: gettext_lazy("An amount is still held on a card, and no session of ours needs it."),
    Kind.DUPLICATE_CHARGE: gettext_lazy(
        "The card paid for the same session twice. Taking over the provider's state books the second charge and sends "
        "it back to the card."
    ),
}
# What both sides call a state, in words.
_STATES = {
    "succeeded": gettext_lazy("succeeded"),
    "failed": gettext_lazy("failed"),
    "declined": gettext_lazy("declined"),
    "cancelled": gettext_lazy("cancelled"),
    "held": gettext_lazy("held"),
    "active": gettext_lazy("held"),
    "pending": gettext_lazy("not decided yet"),
    "created": gettext_lazy("being sent"),
    "unanswered": gettext_lazy("not answered yet"),
    "requires_action": gettext_lazy("waits for the driver"),
    "captured": gettext_lazy("taken"),
    "released": gettext_lazy("let go"),
    "expired": gettext_lazy("expired"),
    "refused": gettext_lazy("refused"),
    "asked": gettext_lazy("asked for"),
}


def advice(discrepancy: Discrepancy) -> str:
    return str(_ADVICE[Kind(discrepancy.kind)])


def side_words(state: str, amount: Decimal | None, currency: str) -> str:
    """What one side says: its state and the amount; that it knows nothing of it."""
    if not state:
        return _("knows nothing of it")
    words = str(_STATES.get(state, state.replace("_", " ")))
    return words if amount is None else f"{words}, {money_words(amount, currency)}"
