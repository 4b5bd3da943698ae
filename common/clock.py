"""The one place that reads the clock. Inside the project a moment is aware UTC; a date on paper is local."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from django.utils import timezone


def now() -> datetime:
    """This moment, aware, UTC."""
    return timezone.now().astimezone(UTC)


def local_date(moment: datetime, time_zone: str) -> date:
    """The calendar date of `moment` where `time_zone` (IANA name) is kept."""
    return moment.astimezone(ZoneInfo(time_zone)).date()
