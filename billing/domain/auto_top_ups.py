"""When a wallet is topped up by itself, and how often it may be. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

# The second failure in a row switches it off.
MOST_FAILURES = 2
# A card that was declined is not asked again sooner.
RETRY_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The local day and month of a moment, as moments: each ends where the next begins, whatever the clocks do."""

    day: datetime
    next_day: datetime
    month: datetime
    next_month: datetime


def calendar_at(at: datetime, time_zone: str) -> Calendar:
    zone = ZoneInfo(time_zone)
    today = at.astimezone(zone).date()
    month = today.replace(day=1)
    return Calendar(
        day=_midnight(today, zone),
        next_day=_midnight(today + timedelta(days=1), zone),
        month=_midnight(month, zone),
        next_month=_midnight((month + timedelta(days=32)).replace(day=1), zone),
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be charged at once, in a local day and in a local month, and what was in these."""

    amount: Decimal
    max_per_day: Decimal
    max_per_month: Decimal
    spent_today: Decimal
    spent_this_month: Decimal


def wait_until(limits: Limits, calendar: Calendar) -> datetime | None:
    """The moment from which another top-up fits into the limits; None: now."""
    if limits.spent_this_month + limits.amount > limits.max_per_month:
        return calendar.next_month
    if limits.spent_today + limits.amount > limits.max_per_day:
        return calendar.next_day
    return None
