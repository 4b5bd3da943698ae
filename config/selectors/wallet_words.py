"""Movements of a wallet in the driver's words."""

from django.utils.translation import gettext as _


def event_words(event: str) -> str:
    """What a ledger event did to the wallet; an event without words of its own is shown by its name."""
    return {
        "wallet_credited": _("Credit added"),
        "wallet_adjusted": _("Taken out by the operator"),
        "wallet_closed": _("Wallet closed"),
        "promo_expired": _("Promotional credit expired"),
        "session_settled": _("Charging session"),
        "hold_captured": _("Charging session"),
        "session_refunded": _("Refund of a charging session"),
        "session_corrected": _("A charging session became cheaper"),
    }.get(event, event.replace("_", " ").capitalize())
