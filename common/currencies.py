"""What ISO 4217 says about a currency. Pure: usable where Django is not (the `domain` packages)."""

from decimal import ROUND_HALF_UP, Decimal

from moneyed import CurrencyDoesNotExist, get_currency


def is_currency(code: str) -> bool:
    """True for a three-letter ISO 4217 code in use."""
    try:
        return get_currency(code).code == code
    except CurrencyDoesNotExist:
        return False


def exponent(currency: str) -> int:
    """Number of decimal places of an ISO 4217 currency: EUR 2, JPY 0, KWD 3."""
    return len(str(get_currency(currency).sub_unit)) - 1


def quantum(currency: str) -> Decimal:
    """Smallest amount of a currency: EUR 0.01."""
    return Decimal(1).scaleb(-exponent(currency))


def quantize_amount(amount: Decimal, currency: str, rounding: str = ROUND_HALF_UP) -> Decimal:
    """Round `amount` to the currency's exponent. Half up is the house rule (docs/pricing.md)."""
    return amount.quantize(quantum(currency), rounding=rounding)
