"""When charging is free for everybody, and for how long. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from common.units import SECONDS_PER_HOUR

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class OpenHours:
    """Days of the week (ISO: Monday is 1) and the hours of each, local time; no hours: the whole day.

    Hours that end before they begin reach past midnight and belong to the day on which they begin.
    """

    weekdays: Collection[int]
    begins_at: time | None = None
    ends_at: time | None = None

    def covers(self, local: datetime) -> bool:
        """Whether a moment, told in the place's own time zone, lies within."""
        now, day = local.timetz().replace(tzinfo=None), local.date()
        if self.begins_at is None or self.ends_at is None:
            return self._is_on(day)
        if self.begins_at < self.ends_at:
            return self._is_on(day) and self.begins_at <= now < self.ends_at
        began_yesterday = now < self.ends_at and self._is_on(day - timedelta(days=1))
        return began_yesterday or (now >= self.begins_at and self._is_on(day))

    def _is_on(self, day: date) -> bool:
        return day.isoweekday() in self.weekdays


@dataclass(frozen=True, slots=True)
class FreeUse:
    """How much of one session is free; None: no bound."""

    most_wh: Decimal | None = None
    longest: timedelta | None = None

    def is_used_up(self, *, energy_wh: Decimal, power_w: Decimal, lasted: timedelta, ahead: timedelta) -> bool:
        """Whether the session would pass a bound before it is looked at again in `ahead`, at its present power."""
        hours = Decimal(ahead // timedelta(microseconds=1)) / 1_000_000 / SECONDS_PER_HOUR
        if self.most_wh is not None and energy_wh + power_w * hours >= self.most_wh:
            return True
        return self.longest is not None and lasted + ahead >= self.longest
