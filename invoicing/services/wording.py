"""The words of documents, in the reader's language: the caller activates it, the functions answer in it."""

import re
from decimal import Decimal
from typing import Any

from django.utils.translation import pgettext

from billing.models import FundingLeg
from common.formats import exact_duration_words, exact_energy_words
from common.units import SECONDS_PER_HOUR, wh_to_kwh

# A duration as tariffs.domain.words writes it.
_SECONDS = re.compile(r"(\d+) s\b")

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
        "ENERGY": pgettext("document", "Energy"),
        "TIME": pgettext("document", "Charging time"),
        "PARKING_TIME": pgettext("document", "Parking after charging"),
        "FLAT": pgettext("document", "Start fee"),
        "RESERVATION_FLAT": pgettext("document", "Reservation fee"),
        "RESERVATION_TIME": pgettext("document", "Reserved time"),
        "MIN_PRICE": pgettext("document", "Up to the minimum price"),
        "MAX_PRICE": pgettext("document", "Reduction to the maximum price"),
        "ROUNDING": pgettext("document", "Rounding of the lines above"),
    }[kind]


def detail_words(kind: str, explanation: dict[str, Any]) -> str:
    """When a price applied and how its quantity was rounded up, from a cost line's explanation; often empty."""
    details = [_condition_words(condition) for condition in explanation.get("matched", ())]
    step_size = explanation.get("step_size") or 0
    if step_size > 1 and Decimal(explanation["quantity"]) != Decimal(explanation["measured"]):
        details.append(_step_words(kind, Decimal(explanation["measured"]), step_size))
    return " · ".join(details)


def _condition_words(condition: dict[str, str]) -> str:
    subject = {
        "energy": pgettext("document", "energy"),
        "duration": pgettext("document", "duration"),
        "power": pgettext("document", "power"),
        "current": pgettext("document", "current"),
    }.get(condition["code"], "")
    words = _SECONDS.sub(lambda seconds: exact_duration_words(int(seconds[1])), condition["words"])
    return f"{subject} {words}".strip()


def _step_words(kind: str, measured: Decimal, step_size: int) -> str:
    if kind == "ENERGY":
        used, step = (exact_energy_words(energy) for energy in (measured, wh_to_kwh(Decimal(step_size))))
    else:
        used = exact_duration_words(int((measured * SECONDS_PER_HOUR).to_integral_value()))
        step = exact_duration_words(step_size)
    return pgettext("document", "%(used)s used, billed in steps of %(step)s") % {"used": used, "step": step}


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
