"""What is wrong between two sides, as a table."""

from decimal import Decimal

import pytest

from billing.domain.reconciliation import Fate, Kind, Side, judge

TAKEN, HELD, OPEN, NOTHING = Fate


def side(fate: Fate | None, amount: str = "6.20", currency: str = "EUR") -> Side | None:
    return None if fate is None else Side(fate, Decimal(amount), currency)


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        (TAKEN, TAKEN, None),
        (HELD, HELD, None),
        (OPEN, OPEN, None),
        (NOTHING, NOTHING, None),
        (TAKEN, NOTHING, Kind.STATE_DIFFERS),
        (TAKEN, OPEN, Kind.STATE_DIFFERS),
        (OPEN, TAKEN, Kind.STATE_DIFFERS),
        (OPEN, NOTHING, Kind.STATE_DIFFERS),
        (NOTHING, TAKEN, Kind.STATE_DIFFERS),
        (HELD, NOTHING, Kind.STATE_DIFFERS),
        (HELD, TAKEN, Kind.STATE_DIFFERS),
        (NOTHING, HELD, Kind.ORPHAN_HOLD),
        (None, TAKEN, Kind.MISSING_HERE),
        (None, HELD, Kind.ORPHAN_HOLD),
        (None, OPEN, None),
        (None, NOTHING, None),
        (TAKEN, None, Kind.MISSING_THERE),
        (HELD, None, Kind.MISSING_THERE),
        (OPEN, None, None),
        (NOTHING, None, None),
    ],
)
def test_what_is_wrong(ours: Fate | None, theirs: Fate | None, kind: Kind | None) -> None:
    assert judge(side(ours), side(theirs)) == kind


def test_money_is_compared_where_it_moved() -> None:
    assert judge(side(TAKEN), side(TAKEN, "6.21")) is Kind.AMOUNT_DIFFERS
    assert judge(side(TAKEN), side(TAKEN, currency="CHF")) is Kind.AMOUNT_DIFFERS
    assert judge(side(HELD), side(HELD, "25")) is Kind.AMOUNT_DIFFERS
    assert judge(side(NOTHING), side(NOTHING, "25")) is None


@pytest.mark.parametrize("ours", [TAKEN, OPEN, NOTHING])
def test_what_was_paid_by_another_is_charged_twice(ours: Fate) -> None:
    assert judge(side(ours), side(TAKEN), is_paid_otherwise=True) is Kind.DUPLICATE_CHARGE
    assert judge(side(NOTHING), side(NOTHING), is_paid_otherwise=True) is None
