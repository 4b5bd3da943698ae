"""What a cost line says to people: what it is for, how it was calculated, why this price and no other.

One place for documents, the driver's pages and the operator portal. A line's reasons come as
`tariffs.domain.explain.line_document` tells them, numbers as Decimals or, from storage, as text. The caller activates
the reader's language; every function answers in it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from common.formats import (
    duration_words,
    exact_duration_words,
    exact_energy_words,
    money_words,
    number_words,
    percent_words,
    unit_price_words,
)
from common.units import SECONDS_PER_HOUR, wh_to_kwh
from tariffs.domain.result import LineKind
from tariffs.domain.spec import TariffSpec
from tariffs.selectors.conditions import condition_words
from tariffs.selectors.price_card import time_price_words

# Lines that only make up a difference: their amount is all there is to say.
_PLAIN = frozenset({LineKind.MIN_PRICE, LineKind.MAX_PRICE, LineKind.IDLE_CAP})

_KINDS: dict[str, str | Promise] = {
    LineKind.ENERGY: pgettext_lazy("cost line", "Energy"),
    LineKind.TIME: pgettext_lazy("cost line", "Charging time"),
    LineKind.PARKING_TIME: pgettext_lazy("cost line", "Parking after charging"),
    LineKind.FLAT: pgettext_lazy("cost line", "Start fee"),
    LineKind.RESERVATION_FLAT: pgettext_lazy("cost line", "Reservation fee"),
    LineKind.RESERVATION_TIME: pgettext_lazy("cost line", "Reserved time"),
    LineKind.IDLE_CAP: pgettext_lazy("cost line", "Reduction of parking to its limit"),
    LineKind.CONNECTION_FEE: pgettext_lazy("cost line", "Connection fee"),
    LineKind.SERVICE_FEE: pgettext_lazy("cost line", "Service fee"),
    LineKind.MIN_PRICE: pgettext_lazy("cost line", "Up to the minimum price"),
    LineKind.MAX_PRICE: pgettext_lazy("cost line", "Reduction to the maximum price"),
}

# What the conditions of a tariff's elements are about (tariffs.domain.words.Condition); the others name themselves.
SUBJECTS: dict[str, str | Promise] = {
    "energy": pgettext_lazy("cost line", "energy"),
    "duration": pgettext_lazy("cost line", "duration"),
    "power": pgettext_lazy("cost line", "power"),
    "current": pgettext_lazy("cost line", "current"),
    "weekdays": "",
    "time_of_day": "",
    "dates": "",
    "reservation": "",
}

# Why a named price or fee applied, by the code of its condition.
NAMED: dict[str, str | Promise] = {
    "free_energy": gettext_lazy("the first %(figures)s kWh are free"),
    "free_time": gettext_lazy("the first %(figures)s min are free"),
    "idle_grace": gettext_lazy("the first %(figures)s min after charging are free"),
    "idle_free_hours": gettext_lazy("parking is free %(figures)s"),
    "idle_cap": gettext_lazy("reduced to the most that parking may cost in a session"),
    "tier": gettext_lazy("price by quantity: %(figures)s"),
    "spot": gettext_lazy("follows the electricity exchange: %(figures)s"),
    "spot_fallback": gettext_lazy("the fixed price for times without a price of the electricity exchange%(figures)s"),
    "connection_fee": gettext_lazy("for a session of %(figures)s"),
    "service_fee": "%(figures)s",
}

# A duration as tariffs.domain.words writes it.
_SECONDS = re.compile(r"(\d+) s\b")
# A tier as tariffs.domain.named writes it: "20–100 kWh of the month", "from 100 kWh of the session".
_TIER = re.compile(r"([\d.]+)(?:–([\d.]+))? kWh of the (session|month)")
# Where a market price is missing, as tariffs.domain.spot writes it; either end may be open.
_GAP = re.compile(r"has no price(?: from (\S+ \S+?))?(?: until (\S+ \S+?))?: fallback")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def kind_words(kind: str) -> str:
    """What a line of this kind (tariffs.domain.result.LineKind) is for."""
    return str(_KINDS[kind])


def rule_words(element: int) -> str:
    """How the tariff editor calls an element."""
    return _("Rule %(number)d") % {"number": element + 1}


def calculation_words(kind: str, unit: str, quantity: Decimal, unit_price: Decimal, currency: str) -> str:
    """“12.345 kWh × 0.476 €/kWh”, “2.5 % of 10.20 €”; empty where an amount is all there is."""
    if kind in _PLAIN or not quantity:
        return ""
    if unit == currency:
        share = {"percent": percent_words(unit_price * 100), "amount": money_words(quantity, currency)}
        return _("%(percent)s of %(amount)s") % share
    price = unit_price_words(unit_price, currency)
    if unit == "h":
        price = time_price_words(unit_price, currency)
    elif unit == "kWh":
        price = _("%(price)s/kWh") % {"price": price}
    return _("%(quantity)s × %(price)s") % {"quantity": quantity_words(unit, quantity), "price": price}


def quantity_words(unit: str, quantity: Decimal) -> str:
    """“12.345 kWh”, “1 h 5 min”, “1”."""
    if unit == "h":
        return duration_words(int((quantity * SECONDS_PER_HOUR).to_integral_value()))
    if unit == "kWh":
        return _("%(energy)s kWh") % {"energy": number_words(quantity, 3)}
    return number_words(quantity, 3)


# --- Why this price -----------------------------------------------------------------------------------------------


def why_words(
    explanation: Mapping[str, Any], spec: TariffSpec | None, *, rule: Callable[[int], str] | None = None
) -> list[str]:
    """Sentences: what applied, what did not and what it needs, how the quantity was counted.

    `spec` is the tariff the line was priced by, None where it is not known any more. `rule` gives its elements names
    for readers who know them; without it they are “this price” and “another price”.
    """
    kind = explanation.get("kind")
    if kind == LineKind.MIN_PRICE:
        return [_("The tariff has a lowest price for a session, and this session did not reach it.")]
    if kind == LineKind.MAX_PRICE:
        return [_("The tariff has a highest price for a session, and this session would have passed it.")]
    return [*_choice_words(explanation, spec, rule), *_counting_words(explanation)]


def skipped_words(skipped: Mapping[str, Any], spec: TariffSpec, rule: Callable[[int], str] | None = None) -> str:
    """Why an element of the tariff did not apply."""
    element: int = skipped["element"]
    unmet = condition_words(
        spec.elements[element].restrictions, only={condition["code"] for condition in skipped["unmet"]}
    )
    if rule is None:
        return _("Another price of this tariff did not apply: it needs “%(unmet)s”.") % {"unmet": unmet}
    return _("%(rule)s did not apply: it needs “%(unmet)s”.") % {"rule": rule(element), "unmet": unmet}


def _choice_words(
    explanation: Mapping[str, Any], spec: TariffSpec | None, rule: Callable[[int], str] | None
) -> Iterator[str]:
    element = explanation.get("element")
    if element is None:
        for condition in explanation.get("matched", ()):
            yield f"{capfirst(reason_words(condition))}."
    elif spec is not None:
        when = condition_words(spec.elements[element].restrictions)
        if rule is not None:
            yield _("%(rule)s applies: %(when)s.") % {"rule": rule(element), "when": when or _("always")}
        elif when:
            yield _("This price applies: %(when)s.") % {"when": when}
        else:
            yield _("This price applies at all times.")
        for skipped in explanation.get("skipped", ()):
            yield skipped_words(skipped, spec, rule)


def _counting_words(explanation: Mapping[str, Any]) -> Iterator[str]:
    unit, step_size = explanation.get("unit", ""), explanation.get("step_size") or 0
    if step_size <= 1 or unit not in ("kWh", "h"):
        return
    step = duration_words(step_size) if unit == "h" else quantity_words(unit, wh_to_kwh(Decimal(step_size)))
    used = _measured(explanation)
    if used is None:
        yield _("Counted in steps of %(step)s.") % {"step": step}
    else:
        yield _("%(used)s used, counted in steps of %(step)s.") % {"used": quantity_words(unit, used), "step": step}


def _measured(explanation: Mapping[str, Any]) -> Decimal | None:
    """What was used, where it was rounded up to whole steps."""
    quantity, measured = explanation.get("quantity"), explanation.get("measured")
    if quantity is None or measured is None or Decimal(quantity) == Decimal(measured):
        return None
    return Decimal(measured)


def detail_words(kind: str, explanation: Mapping[str, Any]) -> str:
    """The same in short for a line on paper: when the price applied, how its quantity was rounded up; often empty."""
    details = [reason_words(condition) for condition in explanation.get("matched", ())]
    step_size, used = explanation.get("step_size") or 0, _measured(explanation)
    if step_size > 1 and used is not None:
        details.append(_step_words(kind, used, step_size))
    return " · ".join(details)


def _step_words(kind: str, measured: Decimal, step_size: int) -> str:
    if kind == LineKind.ENERGY:
        used, step = (exact_energy_words(energy) for energy in (measured, wh_to_kwh(Decimal(step_size))))
    else:
        used = exact_duration_words(int((measured * SECONDS_PER_HOUR).to_integral_value()))
        step = exact_duration_words(step_size)
    return _("%(used)s used, billed in steps of %(step)s") % {"used": used, "step": step}


def reason_words(condition: Mapping[str, str]) -> str:
    """One condition of a line's explanation, as a phrase without a full stop."""
    code, words = condition["code"], condition["words"]
    if code in NAMED:
        return str(NAMED[code]) % {"figures": _figures(code, words)}
    if code == "weekdays":
        return ", ".join(_(day) for day in words.split(", "))
    words = _SECONDS.sub(lambda seconds: exact_duration_words(int(seconds[1])), words)
    return f"{SUBJECTS.get(code, '')} {words}".strip()


def _figures(code: str, words: str) -> str:
    """What changes from one tariff to the next in the words of a named price or fee."""
    if code in ("free_energy", "free_time", "idle_grace"):
        number = _NUMBER.search(words)
        return words if number is None else number_words(Decimal(number[0]), 3)
    if code == "idle_free_hours":
        return words.rpartition(" ")[2]
    if code == "tier":
        return _tier_words(words)
    if code == "spot_fallback":
        return _gap_words(words)
    if code == "connection_fee":
        both, either = pgettext("cost line", "and"), pgettext("cost line", "or")
        return words.replace(" and ", f" {both} ").replace(" or ", f" {either} ")
    if code == "service_fee":
        return _service_fee_words(words)
    return words


def _tier_words(words: str) -> str:
    tier = _TIER.search(words)
    if tier is None:
        return words
    low, high, per = tier.groups()
    of = pgettext("cost line", "of the month") if per == "month" else pgettext("cost line", "of the session")
    values = {"low": number_words(Decimal(low), 3), "of": of}
    if high is None:
        return _("from %(low)s kWh %(of)s on") % values
    return _("%(low)s to %(high)s kWh %(of)s") % {**values, "high": number_words(Decimal(high), 3)}


def _gap_words(words: str) -> str:
    """ ": from 2026-06-17 14:00 until 2026-06-17 15:00"; empty where nothing is known of the series."""
    gap = _GAP.search(words)
    since, until = gap.groups() if gap is not None else (None, None)
    if since and until:
        return ": " + _("from %(since)s until %(until)s") % {"since": since, "until": until}
    if since:
        return ": " + _("from %(since)s on") % {"since": since}
    return ": " + _("until %(until)s") % {"until": until} if until else ""


def _service_fee_words(words: str) -> str:
    share, _of, base = words.partition(" % of ")
    if not base:
        return _("once per session")
    of = {
        "energy": pgettext("cost line", "what the energy costs"),
        "time": pgettext("cost line", "what the time costs"),
    }.get(base, pgettext("cost line", "what the session costs"))
    return _("%(percent)s of %(base)s") % {"percent": percent_words(Decimal(share)), "base": of}
