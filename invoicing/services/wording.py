"""The words of documents, in the reader's language: the caller activates it, the functions answer in it."""

import re
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy

from billing.models import FundingLeg
from common.formats import exact_duration_words, exact_energy_words, number_words, percent_words
from common.units import SECONDS_PER_HOUR, wh_to_kwh

# A duration as tariffs.domain.words writes it.
_SECONDS = re.compile(r"(\d+) s\b")

# A tier as tariffs.domain.named writes it: "20–100 kWh of the month", "from 100 kWh of the session".
_TIER = re.compile(r"([\d.]+)(?:–([\d.]+))? kWh of the (session|month)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

# What the conditions of a tariff's elements are about (tariffs.domain.words.Condition); the others name themselves.
SUBJECTS: dict[str, str | Promise] = {
    "energy": pgettext_lazy("document", "energy"),
    "duration": pgettext_lazy("document", "duration"),
    "power": pgettext_lazy("document", "power"),
    "current": pgettext_lazy("document", "current"),
    "weekdays": "",
    "time_of_day": "",
    "dates": "",
    "reservation": "",
}

# Why a named price or fee applied, by the code of its condition.
NAMED: dict[str, str | Promise] = {
    "free_energy": pgettext_lazy("document", "the first %(figures)s kWh are free"),
    "free_time": pgettext_lazy("document", "the first %(figures)s min are free"),
    "idle_grace": pgettext_lazy("document", "the first %(figures)s min after charging are free"),
    "idle_free_hours": pgettext_lazy("document", "parking is free %(figures)s"),
    "idle_cap": pgettext_lazy("document", "reduced to the most that parking may cost in a session"),
    "tier": pgettext_lazy("document", "price by quantity: %(figures)s"),
    "spot": pgettext_lazy("document", "follows the electricity exchange: %(figures)s"),
    "spot_fallback": pgettext_lazy("document", "the fixed price for times without a price of the electricity exchange"),
    "connection_fee": pgettext_lazy("document", "for a session of %(figures)s"),
    "service_fee": pgettext_lazy("document", "%(figures)s"),
}

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
        "IDLE_CAP": pgettext("document", "Reduction of parking to its limit"),
        "CONNECTION_FEE": pgettext("document", "Connection fee"),
        "SERVICE_FEE": pgettext("document", "Service fee"),
        "MIN_PRICE": pgettext("document", "Up to the minimum price"),
        "MAX_PRICE": pgettext("document", "Reduction to the maximum price"),
        "ROUNDING": pgettext("document", "Rounding of the lines above"),
    }[kind]


def detail_words(kind: str, explanation: dict[str, Any]) -> str:
    """When a price applied and how its quantity was rounded up, from a cost line's explanation; often empty."""
    details = [reason_words(condition) for condition in explanation.get("matched", ())]
    step_size = explanation.get("step_size") or 0
    if step_size > 1 and Decimal(explanation["quantity"]) != Decimal(explanation["measured"]):
        details.append(_step_words(kind, Decimal(explanation["measured"]), step_size))
    return " · ".join(details)


def reason_words(condition: dict[str, str]) -> str:
    """A condition of a cost line's explanation, as a phrase without a full stop."""
    code = condition["code"]
    if code in NAMED:
        return str(NAMED[code]) % {"figures": _figures(code, condition["words"])}
    words = _SECONDS.sub(lambda seconds: exact_duration_words(int(seconds[1])), condition["words"])
    return f"{SUBJECTS.get(code, '')} {words}".strip()


def _figures(code: str, words: str) -> str:
    """What changes from one tariff to the next in the words of a named price or fee."""
    if code in ("free_energy", "free_time", "idle_grace"):
        return _local(words)
    if code == "idle_free_hours":
        return words.rpartition(" ")[2]
    if code == "tier":
        return _tier_words(words)
    if code == "connection_fee":
        both, either = pgettext("document", "and"), pgettext("document", "or")
        return words.replace(" and ", f" {both} ").replace(" or ", f" {either} ")
    if code == "service_fee":
        return _service_fee_words(words)
    return words


def _tier_words(words: str) -> str:
    tier = _TIER.search(words)
    if tier is None:
        return words
    low, high, per = tier.groups()
    of = pgettext("document", "of the month") if per == "month" else pgettext("document", "of the session")
    values = {"low": number_words(Decimal(low), 3), "of": of}
    if high is None:
        return pgettext("document", "from %(low)s kWh %(of)s on") % values
    return pgettext("document", "%(low)s to %(high)s kWh %(of)s") % {**values, "high": number_words(Decimal(high), 3)}


def _service_fee_words(words: str) -> str:
    share, _of, base = words.partition(" % of ")
    if not base:
        return pgettext("document", "once per session")
    of = {
        "energy": pgettext("document", "what the energy costs"),
        "time": pgettext("document", "what the time costs"),
    }.get(base, pgettext("document", "what the session costs"))
    return pgettext("document", "%(percent)s of %(base)s") % {"percent": percent_words(Decimal(share)), "base": of}


def _local(words: str) -> str:
    number = _NUMBER.search(words)
    return words if number is None else number_words(Decimal(number[0]), 3)


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
