"""Splitting a refund: parts sum to the whole, none takes more than is left, the last one takes the rest."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.postings import system
from billing.domain.refunds import LegLeft, RateAmounts, split_accounts, split_rates, spread
from common.currencies import quantize_amount

NINETEEN = RateAmounts(Decimal(19), Decimal("8.57"), Decimal("1.63"))
cents = st.integers(0, 50_000).map(lambda number: Decimal(number) / 100)


def test_the_last_leg_of_the_waterfall_comes_first():
    legs = [LegLeft(11, 1, Decimal("3.00")), LegLeft(12, 2, Decimal("4.00")), LegLeft(13, 3, Decimal("3.20"))]
    assert spread(Decimal("5.00"), legs) == {13: Decimal("3.20"), 12: Decimal("1.80")}
    assert list(spread(Decimal("10.20"), legs)) == [13, 12, 11]
    with pytest.raises(ValueError, match="more is to be refunded"):
        spread(Decimal("10.21"), legs)


@pytest.mark.parametrize(
    ("amount", "net", "vat"),
    [("10.20", "8.57", "1.63"), ("5.10", "4.29", "0.81"), ("0.01", "0.01", "0.00"), ("10.19", "8.56", "1.63")],
)
def test_vat_is_what_the_rate_says_of_the_part(amount, net, vat):
    (rate,) = split_rates(Decimal(amount), [NINETEEN], "EUR")
    assert (rate.net, rate.vat) == (Decimal(net), Decimal(vat))


def test_several_rates_share_in_proportion():
    left = [
        RateAmounts(Decimal(19), Decimal("6.50"), Decimal("1.24")),
        RateAmounts(Decimal(7), Decimal("6.00"), Decimal("0.42")),
    ]
    assert split_rates(Decimal("7.08"), left, "EUR") == (
        RateAmounts(Decimal(19), Decimal("3.25"), Decimal("0.62")),
        RateAmounts(Decimal(7), Decimal("3.00"), Decimal("0.21")),
    )


def test_nothing_is_taken_from_an_account_that_earned_nothing():
    energy, time = system("revenue_energy", "EUR"), system("revenue_time", "EUR")
    left = {energy: Decimal("6.00"), time: Decimal("-1.00")}
    assert split_accounts(Decimal("5.00"), left, "EUR") == {energy: Decimal("5.00")}
    assert split_accounts(Decimal(0), left, "EUR") == {}


@given(nets=st.lists(cents, min_size=1, max_size=3), share=st.integers(1, 100), steps=st.integers(1, 6))
def test_any_number_of_refunds_sums_to_the_whole(nets, share, steps):
    """Refund a share of what is left again and again, then the rest: each rate ends at exactly nothing."""
    percents = [Decimal(19), Decimal(7), None]
    left = [
        RateAmounts(percent, net, quantize_amount(net * (percent or 0) / 100, "EUR"))
        for percent, net in zip(percents, nets, strict=False)
    ]
    for step in range(steps + 1):
        whole = sum(rate.gross for rate in left)
        amount = whole if step == steps else quantize_amount(whole * share / 100, "EUR")
        if not amount:
            continue
        taken = {rate.percent: rate for rate in split_rates(amount, left, "EUR")}
        assert sum(rate.gross for rate in taken.values()) == amount
        for rate in taken.values():
            assert rate.net >= 0
            assert rate.vat >= 0
        left = [
            RateAmounts(rate.percent, rate.net - taken[rate.percent].net, rate.vat - taken[rate.percent].vat)
            if rate.percent in taken
            else rate
            for rate in left
        ]
        assert all(rate.net >= 0 and rate.vat >= 0 for rate in left)
    assert all(not rate.gross for rate in left)
