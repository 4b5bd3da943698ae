"""What is frozen with a session comes back from its JSON form as it was."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tariffs.domain.frozen import NOTHING_FROZEN, FrozenInputs
from tariffs.domain.spot import SpotPrice

NOON = datetime(2026, 6, 17, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def steps(start_at: datetime, step: timedelta, *prices: str) -> list[SpotPrice]:
    return [
        SpotPrice(start_at + index * step, start_at + (index + 1) * step, Decimal(price))
        for index, price in enumerate(prices)
    ]


def test_steps_that_follow_each_other_are_one_run():
    prices = (*steps(NOON, QUARTER, "0.08120000", "-0.01"), *steps(NOON + timedelta(hours=2), QUARTER, "100"))
    assert FrozenInputs(prices, Decimal("98500.0")).to_json() == {
        "spot_prices": [
            {"start": "2026-06-17T12:00:00+00:00", "minutes": 15, "prices": ["0.0812", "-0.01"]},
            {"start": "2026-06-17T14:00:00+00:00", "minutes": 15, "prices": ["100"]},
        ],
        "month_to_date_wh": "98500",
    }


def test_nothing_frozen_is_an_empty_object():
    assert FrozenInputs().to_json() == {}
    assert FrozenInputs.from_json({}) is NOTHING_FROZEN


def test_nothing_used_yet_is_not_nothing_known():
    assert FrozenInputs(month_to_date_wh=Decimal(0)).to_json() == {"month_to_date_wh": "0"}
    assert FrozenInputs.from_json({"month_to_date_wh": "0"}).month_to_date_wh == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([15, 60]),
            st.decimals(-1000, 1000, places=8),
        ),
        max_size=30,
    ),
    st.none() | st.decimals(0, 10**9, places=4),
)
def test_the_way_through_json_loses_nothing(entries, used_wh):
    prices, at = [], NOON
    for gap, minutes, price in entries:
        at += gap * QUARTER
        end_at = at + timedelta(minutes=minutes)
        prices.append(SpotPrice(at, end_at, price))
        at = end_at
    frozen = FrozenInputs(tuple(prices), used_wh)
    assert FrozenInputs.from_json(json.loads(json.dumps(frozen.to_json()))) == frozen
