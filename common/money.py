"""Money helpers over django-money. Amounts are `Decimal`; a float never comes near them."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from djmoney.models.fields import MoneyField
from djmoney.money import Money

from common.currencies import exponent, quantize_amount, quantum

__all__ = [
    "allocate",
    "exponent",
    "money_field",
    "quantize",
    "quantize_amount",
    "quantum",
    "total",
    "zero",
]

# Fifteen significant digits survive SQLite's storage exactly; four places hold every ISO 4217 exponent in use.
MONEY_DIGITS = 15
MONEY_PLACES = 4


def quantize(money: Money, rounding: str = ROUND_HALF_UP) -> Money:
    """The same, of a Money."""
    code = str(money.currency)
    return Money(quantize_amount(money.amount, code, rounding), code)


def zero(currency: str) -> Money:
    return Money(Decimal(0), currency)


def total(monies: Iterable[Money], currency: str) -> Money:
    """Sum in one currency; an empty sum is zero. A foreign currency raises TypeError (django-money)."""
    result = zero(currency)
    for money in monies:
        result += money
    return result


def allocate(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Split a quantised `amount` in proportion to `weights` (>= 0) so that the parts sum to it exactly.

    Largest remainder: every part is rounded towards zero, then the left-over smallest units go to the parts that lost
    most, earlier first. All weights zero: equal shares. Raises ValueError without weights or for a negative one.
    """
    if not weights or any(weight < 0 for weight in weights):
        raise ValueError("allocate needs at least one weight and none below zero")
    unit = quantum(currency)
    shares = list(weights) if any(weights) else [Decimal(1)] * len(weights)
    weight_sum = sum(shares, Decimal(0))
    exact = [amount * share / weight_sum for share in shares]
    parts = [part.quantize(unit, rounding=ROUND_DOWN) for part in exact]
    left = int((amount - sum(parts, Decimal(0))) / unit)
    step = unit if left >= 0 else -unit
    by_loss = sorted(range(len(parts)), key=lambda index: (-abs(exact[index] - parts[index]), index))
    for index in by_loss[: abs(left)]:
        parts[index] += step
    return parts


def money_field(**options: Any) -> MoneyField:
    """A MoneyField of the house's width. The currency is always given by the writer, never defaulted."""
    options.setdefault("max_digits", MONEY_DIGITS)
    options.setdefault("decimal_places", MONEY_PLACES)
    options.setdefault("default_currency", None)
    return MoneyField(**options)
