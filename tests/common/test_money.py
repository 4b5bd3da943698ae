"""Money is rounded once, split without loss and never repaired."""

from decimal import ROUND_DOWN, Decimal

import pytest
from djmoney.money import Money
from hypothesis import given
from hypothesis import strategies as st

from common.money import allocate, exponent, quantize, quantize_amount, total, zero


@pytest.mark.parametrize(("currency", "places"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CHF", 2)])
def test_exponent_is_the_currency_s_own(currency, places):
    assert exponent(currency) == places


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1.005", "EUR", "1.01"),
        ("1.004999", "EUR", "1.00"),
        ("-1.005", "EUR", "-1.01"),
        ("1.5", "JPY", "2"),
        ("0.0005", "KWD", "0.001"),
    ],
)
def test_quantize_rounds_half_up(amount, currency, expected):
    assert quantize_amount(Decimal(amount), currency) == Decimal(expected)


def test_quantize_keeps_the_currency():
    assert quantize(Money("2.349", "EUR"), rounding=ROUND_DOWN) == Money("2.34", "EUR")


def test_total_of_nothing_is_zero_and_of_two_currencies_an_error():
    assert total([], "EUR") == zero("EUR")
    with pytest.raises(TypeError):
        total([Money(1, "EUR"), Money(1, "CHF")], "EUR")


@pytest.mark.parametrize(
    ("amount", "weights", "expected"),
    [
        ("10.00", ["1", "1", "1"], ["3.34", "3.33", "3.33"]),
        ("0.05", ["3", "1"], ["0.04", "0.01"]),
        ("0.01", ["1", "1"], ["0.01", "0.00"]),
        ("-10.00", ["1", "1", "1"], ["-3.34", "-3.33", "-3.33"]),
        ("7.00", ["0", "0"], ["3.50", "3.50"]),
    ],
)
def test_allocate(amount, weights, expected):
    parts = allocate(Decimal(amount), [Decimal(weight) for weight in weights], "EUR")
    assert parts == [Decimal(part) for part in expected]


@given(
    cents=st.integers(-(10**9), 10**9),
    weights=st.lists(st.decimals("0", "1000", places=4), min_size=1, max_size=12),
)
def test_parts_sum_to_the_whole_and_lie_within_a_cent_of_their_share(cents, weights):
    amount = Decimal(cents) / 100
    parts = allocate(amount, weights, "EUR")
    assert sum(parts) == amount
    weight_sum = sum(weights)
    if weight_sum:
        assert all(
            abs(part - amount * w / weight_sum) < Decimal("0.0101") for part, w in zip(parts, weights, strict=True)
        )


@pytest.mark.parametrize("weights", [[], [Decimal(1), Decimal(-1)]])
def test_allocate_refuses_senseless_weights(weights):
    with pytest.raises(ValueError, match="weight"):
        allocate(Decimal(1), weights, "EUR")
