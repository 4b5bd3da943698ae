"""The words of documents, in the reader's language: the caller activates it, the functions answer in it."""

from django.utils.translation import gettext

from billing.models import FundingLeg

PLUGS = {
    "IEC_62196_T1": "Type 1",
    "IEC_62196_T1_COMBO": "CCS 1",
    "IEC_62196_T2": "Type 2",
    "IEC_62196_T2_COMBO": "CCS 2",
    "CHADEMO": "CHAdeMO",
}


def line_words(kind: str) -> str:
    """What a line is for (the kinds of tariffs.domain.result.LineKind, and our own ROUNDING)."""
    return {
        "ENERGY": gettext("Energy"),
        "TIME": gettext("Charging time"),
        "PARKING_TIME": gettext("Parking after charging"),
        "FLAT": gettext("Start fee"),
        "RESERVATION_FLAT": gettext("Reservation fee"),
        "RESERVATION_TIME": gettext("Reserved time"),
        "MIN_PRICE": gettext("Up to the minimum price"),
        "MAX_PRICE": gettext("Reduction to the maximum price"),
        "ROUNDING": gettext("Rounding of the lines above"),
    }[kind]


def scope_words(scope: str) -> str:
    """Where a tariff applies, as the end of “This price applies …”."""
    return {
        "network": gettext("everywhere in our network"),
        "country": gettext("in this country"),
        "region": gettext("in this region"),
        "location": gettext("at this location"),
        "charge_point": gettext("at this charge point"),
        "connector": gettext("at this connector"),
    }.get(scope, "")


def source_words(source: str) -> str:
    """Where money came from."""
    return {
        FundingLeg.Source.WALLET_PROMO: gettext("Wallet, promotional credit"),
        FundingLeg.Source.WALLET_CASH: gettext("Wallet"),
        FundingLeg.Source.CARD: gettext("Card"),
        FundingLeg.Source.OPEN_ACCESS: gettext("Paid by the operator"),
        FundingLeg.Source.DEBT: gettext("Still to be paid"),
    }[FundingLeg.Source(source)]
