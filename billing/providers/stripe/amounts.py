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
# Source: Stripe, "Minimum and maximum charge amounts". It measures them in the currency of the bank account, so where
# that is another one the installation raises them (PAYMENT_MINIMUMS).
LEAST_CHARGE = {
    currency: Decimal(amount)
    for amount, currencies in {
        "0.30": ["GBP"],
        "0.50": ["AUD", "BRL", "CAD", "CHF", "EUR", "INR", "NZD", "SGD", "USD"],
        "1": ["BGN"],
        "2": ["AED", "MYR", "PLN", "RON"],
        "2.50": ["DKK"],
        "3": ["NOK", "SEK"],
        "4": ["HKD"],
        "10": ["MXN", "THB"],
        "15": ["CZK"],
        "50": ["JPY"],
        "175": ["HUF"],
    }.items()
    for currency in currencies
}
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
