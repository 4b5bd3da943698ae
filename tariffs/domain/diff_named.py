"""The named extensions of a tariff in the words of the person who sets prices: what each part is called and says."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tariffs.domain.findings import gettext_noop
from tariffs.domain.words import number_text

_SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}
_LEAST_MONEY_PLACES = Decimal("0.01")

TITLES = {
    "service_fee": gettext_noop("Service fee"),
    "idle": gettext_noop("Standing after charging"),
    "connection_fee": gettext_noop("Connection fee"),
    "energy_tiers": gettext_noop("Energy by steps"),
    "free": gettext_noop("Free at the start"),
    "spot": gettext_noop("Market price"),
}


def symbol_of(currency: str) -> str:
    return _SYMBOLS.get(currency, currency)


def money_text(amount: Decimal) -> str:
    """At least two decimals, as prices are written."""
    text = number_text(amount)
    return format(amount.quantize(_LEAST_MONEY_PLACES), "f") if len(text.partition(".")[2]) < 2 else text


def _once(value: Decimal, currency: str) -> str:
    return f"{money_text(value)} {symbol_of(currency)}"


def _per_kwh(value: Decimal, currency: str) -> str:
    return f"{money_text(value)} {symbol_of(currency)}/kWh"


def _percent(value: Decimal, _currency: str) -> str:
    return f"{number_text(value)} %"


def _kwh(value: Decimal, _currency: str) -> str:
    return f"{number_text(value)} kWh"


def _minutes(value: object, _currency: str) -> str:
    return f"{value} min"


def _plain(value: object, _currency: str) -> str:
    return number_text(value)


def _one_of(words: Mapping[str, str]) -> Callable[[Any, str], str]:
    return lambda value, _currency: words[value]


def _tiers(value: list[Mapping[str, Decimal]], currency: str) -> str:
    """ "0.30 €/kWh up to 100 kWh, 0.25 €/kWh beyond"."""
    steps = []
    for tier in value:
        price = _per_kwh(tier["price"], currency)
        steps.append(f"{price} up to {_kwh(tier['up_to_kwh'], '')}" if "up_to_kwh" in tier else f"{price} beyond")
    return ", ".join(steps)


_VAT = (gettext_noop("VAT"), _percent)
# By extension and key of its document (tariffs.domain.extensions_json): what a part is called, how its value reads.
_PARTS: dict[str, dict[str, tuple[str, Callable[[Any, str], str]]]] = {
    "service_fee": {
        "flat": (gettext_noop("per session"), _once),
        "percent": (gettext_noop("share"), _percent),
        "of": (
            gettext_noop("taken of"),
            _one_of(
                {
                    "ENERGY": gettext_noop("the price of the energy"),
                    "TIME": gettext_noop("the price of the time"),
                    "ALL": gettext_noop("the whole price"),
                }
            ),
        ),
        "vat": _VAT,
    },
    "idle": {
        "grace_minutes": (gettext_noop("free for"), _minutes),
        "max_amount": (gettext_noop("at most"), _once),
        "free_from": (gettext_noop("free from"), _plain),
        "free_until": (gettext_noop("free until"), _plain),
    },
    "connection_fee": {
        "price": (gettext_noop("price"), _once),
        "after_minutes": (gettext_noop("charged from a stay of"), _minutes),
        "after_kwh": (gettext_noop("charged from"), _kwh),
        "needs": (
            gettext_noop("of its conditions"),
            _one_of({"ALL": gettext_noop("all are needed"), "ANY": gettext_noop("any one is enough")}),
        ),
        "vat": _VAT,
    },
    "energy_tiers": {
        "per": (
            gettext_noop("counted"),
            _one_of({"SESSION": gettext_noop("in each session"), "MONTH": gettext_noop("over the calendar month")}),
        ),
        "tiers": (gettext_noop("prices"), _tiers),
        "vat": _VAT,
    },
    "free": {
        "kwh": (gettext_noop("energy"), _kwh),
        "minutes": (gettext_noop("time"), _minutes),
    },
    "spot": {
        "series": (gettext_noop("price series"), _plain),
        "factor": (gettext_noop("times"), _plain),
        "markup": (gettext_noop("surcharge"), _per_kwh),
        "floor": (gettext_noop("at least"), _per_kwh),
        "cap": (gettext_noop("at most"), _per_kwh),
        "fallback": (gettext_noop("while no market price is known"), _per_kwh),
        "vat": _VAT,
    },
}
# What a part says that the document leaves out.
_SILENT = {("connection_fee", "needs"): "ALL"}


def part_label(extension: str, part: str) -> str:
    return _PARTS[extension][part][0]


def part_words(extension: str, part: str, document: Mapping[str, Any], currency: str) -> str:
    """What one part says; "" for nothing."""
    value = document.get(part, _SILENT.get((extension, part)))
    return "" if value is None else _PARTS[extension][part][1](value, currency)


def whole_words(extension: str, document: Mapping[str, Any] | None, currency: str) -> str:
    """ "share 5 %, taken of the whole price"; "" for no such extension."""
    if document is None:
        return ""
    return ", ".join(
        f"{part_label(extension, part)} {part_words(extension, part, document, currency)}" for part in document
    )
