"""Who pays, as a table and as properties."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.waterfall import (
    CARD,
    DEBT,
    OPEN_ACCESS,
    WALLET_CASH,
    WALLET_PROMO,
    Lot,
    Source,
    allocate,
    sources_of,
    spending_order,
    wallet_sources,
)

NOW = datetime(2025, 6, 16, 12, tzinfo=UTC)
cents = st.integers(min_value=0, max_value=100_000).map(lambda number: Decimal(number) / 100)
limits = st.one_of(st.none(), cents)
sources = st.lists(st.builds(Source, st.sampled_from([WALLET_PROMO, WALLET_CASH, CARD]), limits), max_size=6)


def amounts(legs):
    return [(leg.source, leg.amount) for leg in legs]


@pytest.mark.parametrize(
    ("payable", "drawn_on", "expected"),
    [
        ("10.20", [Source(WALLET_CASH, Decimal("4.00"), 1), Source(CARD)], [("wallet_cash", "4.00"), ("card", "6.20")]),
        ("10.20", [Source(CARD)], [("card", "10.20")]),
        ("10.20", [Source(WALLET_CASH, Decimal("4.00"), 1)], [("wallet_cash", "4.00"), ("debt", "6.20")]),
        ("10.20", [Source(WALLET_CASH, Decimal("10.20"), 1), Source(CARD)], [("wallet_cash", "10.20")]),
        ("10.20", [Source(WALLET_CASH, Decimal("0.00"), 1), Source(CARD)], [("card", "10.20")]),
        ("10.20", [Source(OPEN_ACCESS)], [("open_access", "10.20")]),
        ("10.20", [], [("debt", "10.20")]),
        ("0.00", [Source(CARD)], []),
    ],
)
def test_the_table(payable, drawn_on, expected):
    assert amounts(allocate(Decimal(payable), drawn_on)) == [(name, Decimal(amount)) for name, amount in expected]


@given(cents, sources)
def test_the_legs_are_the_payable_and_none_is_above_its_source(payable, drawn_on):
    legs = allocate(payable, drawn_on)
    assert sum((leg.amount for leg in legs), Decimal(0)) == payable
    assert all(leg.amount > 0 for leg in legs)
    assert [leg.seq for leg in legs] == list(range(1, len(legs) + 1))
    left = list(drawn_on)
    for leg in legs:
        if leg.source == DEBT:
            assert leg is legs[-1]
            continue
        while left[0].source != leg.source or (left[0].limit is not None and left[0].limit < leg.amount):
            left.pop(0)
        left.pop(0)


@given(cents, sources)
def test_debt_is_what_is_left_when_everything_is_used_up(payable, drawn_on):
    debt = sum((leg.amount for leg in allocate(payable, drawn_on) if leg.source == DEBT), Decimal(0))
    if any(source.limit is None for source in drawn_on):
        assert debt == 0
    else:
        available = sum((source.limit for source in drawn_on), Decimal(0))
        assert debt == max(payable - available, Decimal(0))


def test_nothing_below_zero_is_payable():
    with pytest.raises(ValueError, match="below zero"):
        allocate(Decimal("-0.01"), [])


def lot(number, kind, remaining, expires_at=None):
    return Lot(number, kind, Decimal(remaining), expires_at)


def test_promo_before_cash_earliest_expiry_then_oldest():
    june, july = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    promos = [lot(2, "promo", 1), lot(3, "promo", 1, july), lot(4, "promo", 1, june)]
    lots = [lot(1, "cash", 1), *promos, lot(5, "cash", 1)]
    assert [entry.id for entry in spending_order(lots)] == [4, 3, 2, 1, 5]


def test_expired_lots_and_reserved_money_are_no_sources():
    lots = [lot(1, "promo", "5.00", NOW), lot(2, "promo", "2.00"), lot(3, "cash", "9.00")]
    assert wallet_sources(lots, Decimal("6.00"), NOW) == [
        Source(WALLET_PROMO, Decimal("2.00"), 2),
        Source(WALLET_CASH, Decimal("4.00"), 3),
    ]
    assert wallet_sources(lots, Decimal("-1.00"), NOW) == []


@pytest.mark.parametrize(
    ("billing_model", "wallet_use", "expected"),
    [
        ("postpaid", "none", [CARD]),
        ("postpaid", "draw_first", [WALLET_CASH, CARD]),
        ("preauth", "none", [CARD]),
        ("wallet", "only", [WALLET_CASH]),
        ("open_access", "none", [OPEN_ACCESS]),
        ("subscription_only", "none", []),
    ],
)
def test_the_contract_type_says_what_may_be_drawn_on(billing_model, wallet_use, expected):
    wallet = [Source(WALLET_CASH, Decimal("4.00"), 1)]
    assert [source.source for source in sources_of(billing_model, wallet_use, wallet)] == expected
