"""A clock is wrong when two reports a minute apart say so alike; a backlog says nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from ocpp_gateway.domain.clocks import ClockWatch

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def observed(watch: ClockWatch, *, after: int, late: timedelta) -> int | None:
    received_at = NOON + timedelta(seconds=after)
    return watch.observe(reported_at=received_at - late, received_at=received_at)


@pytest.mark.parametrize("late", [HOUR, -2 * HOUR, timedelta(seconds=-40), timedelta(days=20_000)])
def test_two_reports_that_agree_a_minute_apart_are_believed(late: timedelta) -> None:
    watch = ClockWatch()
    assert observed(watch, after=0, late=late) is None
    assert observed(watch, after=59, late=late) is None
    assert observed(watch, after=60, late=late + timedelta(seconds=4)) == round(late.total_seconds()) + 4


def test_a_backlog_is_no_clock() -> None:
    watch = ClockWatch()
    for number in range(10):
        assert observed(watch, after=number, late=2 * HOUR - timedelta(minutes=5 * number)) is None
    assert observed(watch, after=70, late=timedelta(seconds=2)) == 0


def test_a_report_that_is_right_ends_what_was_suspected() -> None:
    watch = ClockWatch()
    observed(watch, after=0, late=HOUR)
    assert observed(watch, after=30, late=timedelta(seconds=30)) == 0
    assert observed(watch, after=70, late=HOUR) is None


def test_a_boot_forgets_a_lost_clock_and_keeps_local_time() -> None:
    watch = ClockWatch()
    observed(watch, after=0, late=HOUR)
    assert watch.booted(offset_seconds=3_600) is None
    assert observed(watch, after=61, late=HOUR) is None
    assert watch.booted(offset_seconds=1_700_000_000) == 0
