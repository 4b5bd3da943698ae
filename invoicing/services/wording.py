"""The words of documents, in the reader's language: the caller activates it, the functions answer in it."""

from django.utils.translation import pgettext

from billing.models import FundingLeg
from invoicing.domain.lines import ROUNDING_KIND
from tariffs.line_words import kind_words

PLUGS = {
    "IEC_62196_T1": "Type 1",
    "IEC_62196_T1_COMBO": "CCS 1",
    "IEC_62196_T2": "Type 2",
    "IEC_62196_T2_COMBO": "CCS 2",
    "CHADEMO": "CHAdeMO",
}


def line_words(kind: str) -> str:
    """What a line of a document is for: those of the tariff, and our own ROUNDING."""
    return pgettext("document", "Rounding of the lines above") if kind == ROUNDING_KIND else kind_words(kind)


def scope_words(scope: str) -> str:
    """Where a tariff applies, as the end of “This price applies …”."""
    return {
        "network": pgettext("document", "everywhere in our network"),
        "country": pgettext("document", "in this country"),
        "region": pgettext("document", "in this region"),
        "location": pgettext("document", "at this location"),
        "charge_point": pgettext("document", "at this charge point"),
        "connector": pgettext("document", "at this connector"),
    }.get(scope, "")


def source_words(source: str) -> str:
    """Where money came from."""
    return {
        FundingLeg.Source.WALLET_PROMO: pgettext("document", "Wallet, promotional credit"),
        FundingLeg.Source.WALLET_CASH: pgettext("document", "Wallet"),
        FundingLeg.Source.CARD: pgettext("document", "Card"),
        FundingLeg.Source.OPEN_ACCESS: pgettext("document", "Paid by the operator"),
        FundingLeg.Source.DEBT: pgettext("document", "Still to be paid"),
    }[FundingLeg.Source(source)]
