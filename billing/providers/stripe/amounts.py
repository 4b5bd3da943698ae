"""Amounts as Stripe counts them. Source: Stripe, "Supported currencies"."""

from decimal import Decimal

import stripe
from djmoney.money import Money

_WHOLE = frozenset(
    {
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    }
)
# Counted in thousandths, of which the last digit must be 0.
_THOUSANDTHS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def to_stripe(money: Money) -> tuple[int, str]:
    """(620, "eur") for 6.20 EUR. Raises ValueError for more decimals than the currency has there."""
    currency = str(money.currency).lower()
    units = money.amount * _units(currency)
    if units != int(units):
        raise ValueError(f"{money} has more decimals than Stripe takes")
    return int(units), currency


def from_stripe(units: int, currency: str) -> Money:
    return Money(Decimal(units) / _units(currency.lower()), currency.upper())


def money_of(intent: stripe.PaymentIntent) -> tuple[Money, Money]:
    """What a payment intent was made for, and what of it was taken."""
    return from_stripe(intent.amount, intent.currency), from_stripe(intent.amount_received, intent.currency)


def _units(currency: str) -> int:
    if currency in _WHOLE:
        return 1
    return 1000 if currency in _THOUSANDTHS else 100
