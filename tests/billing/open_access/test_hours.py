"""Hours in which charging is free, and how much of one session is."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.domain.open_access import EVERY_DAY, FreeUse, OpenHours

BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = (1, 2, 3, 4, 5)
MINUTE = timedelta(minutes=1)


# 2026-11-20 is a Friday.
@pytest.mark.parametrize(
    ("hours", "local", "covers"),
    [
        (OpenHours(EVERY_DAY), "2026-11-20T00:00", True),
        (OpenHours(WORKDAYS), "2026-11-20T23:59", True),
        (OpenHours(WORKDAYS), "2026-11-21T00:00", False),
        (OpenHours(WORKDAYS, time(8), time(18)), "2026-11-20T08:00", True),
        (OpenHours(WORKDAYS, time(8), time(18)), "2026-11-20T07:59", False),
        (OpenHours(WORKDAYS, time(8), time(18)), "2026-11-20T18:00", False),
        (OpenHours(WORKDAYS, time(8), time(18)), "2026-11-21T12:00", False),
        # Past midnight they belong to the day on which they begin.
        (OpenHours(WORKDAYS, time(22), time(6)), "2026-11-20T22:00", True),
        (OpenHours(WORKDAYS, time(22), time(6)), "2026-11-21T05:59", True),
        (OpenHours(WORKDAYS, time(22), time(6)), "2026-11-21T06:00", False),
        (OpenHours(WORKDAYS, time(22), time(6)), "2026-11-21T22:00", False),
        (OpenHours(WORKDAYS, time(22), time(6)), "2026-11-23T01:00", False),
    ],
)
def test_hours(hours, local, covers):
    assert hours.covers(datetime.fromisoformat(local).replace(tzinfo=BERLIN)) is covers


def test_hours_are_those_of_the_place_on_the_day_the_clocks_change():
    hours = OpenHours(EVERY_DAY, time(2, 30), time(4))
    # 25 October 2026: 02:30 comes twice.
    for moment in (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)):
        assert hours.covers(moment.astimezone(BERLIN))
    assert not hours.covers(datetime(2026, 10, 25, 3, 0, tzinfo=UTC).astimezone(BERLIN))


@pytest.mark.parametrize(
    ("free", "energy_wh", "power_w", "minutes", "over"),
    [
        (FreeUse(), 900_000, 300_000, 9_000, False),
        (FreeUse(most_wh=Decimal(10_000)), 9_816, 11_000, 5, False),
        # 11 kW for the next minute is 183.3 Wh.
        (FreeUse(most_wh=Decimal(10_000)), 9_817, 11_000, 5, True),
        (FreeUse(most_wh=Decimal(10_000)), 10_000, 0, 5, True),
        (FreeUse(longest=timedelta(minutes=60)), 0, 0, 58, False),
        (FreeUse(longest=timedelta(minutes=60)), 0, 0, 59, True),
    ],
)
def test_the_bounds_of_a_session(free, energy_wh, power_w, minutes, over):
    used_up = free.is_used_up(
        energy_wh=Decimal(energy_wh), power_w=Decimal(power_w), lasted=minutes * MINUTE, ahead=MINUTE
    )
    assert used_up is over
