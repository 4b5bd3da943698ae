"""When the local clock switches a tariff's elements on and off, as UTC moments.

Source: OCPI 2.2.1, TariffRestrictions (start_time, end_time, start_date, end_date, day_of_week). A restriction is held
against the wall clock at the Location: an hour that happens twice matches twice, an hour that never happens never does.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tariffs.domain.spec import Restrictions

MIDNIGHT = time(0)
ONE_DAY = timedelta(days=1)
ONE_HOUR = timedelta(hours=1)
ONE_SECOND = timedelta(seconds=1)
MOST_CACHED_DAYS = 1000


def matches_local(restrictions: Restrictions, local: datetime) -> bool:
    """True when the wall clock `local` (naive) is inside the hours, dates and weekdays of `restrictions`."""
    if restrictions.start_date is not None and local.date() < restrictions.start_date:
        return False
    if restrictions.end_date is not None and local.date() >= restrictions.end_date:
        return False
    if restrictions.days and local.isoweekday() not in restrictions.days:
        return False
    return within_hours(restrictions.start_time, restrictions.end_time, local.time())


def within_hours(start: time | None, end: time | None, clock: time) -> bool:
    """[start, end) around the clock: `end` before or at `start` wraps past midnight, an `end` of 00:00 is 24:00."""
    begin = start or MIDNIGHT
    if end is None or end == MIDNIGHT:
        return clock >= begin
    if begin < end:
        return begin <= clock < end
    return clock >= begin or clock < end


class Calendar:
    """For every moment, which of `restrictions` the local clock allows: bit n is set when the n-th matches.

    Tables are built a UTC day at a time and kept: the same days are asked for by every session.
    """

    def __init__(self, restrictions: Sequence[Restrictions], time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._restrictions = tuple(restrictions)
        self._everything = (1 << len(self._restrictions)) - 1
        times = {MIDNIGHT}
        for restriction in self._restrictions:
            times.update(clock for clock in (restriction.start_time, restriction.end_time) if clock is not None)
        self._times = sorted(times)
        self._restricts = any(
            restriction.days
            or restriction.start_date
            or restriction.end_date
            or restriction.start_time is not None
            or restriction.end_time is not None
            for restriction in self._restrictions
        )
        self._days: dict[date, tuple[tuple[datetime, int], ...]] = {}

    def edges(self, start_at: datetime, end_at: datetime) -> list[tuple[datetime, int]]:
        """The mask at `start_at`, then every moment before `end_at` at which it changes, with the new mask."""
        if not self._restricts:
            return [(start_at, self._everything)]
        edges = [(start_at, 0)]
        day, last = start_at.date(), end_at.date()
        while day <= last:
            for at, mask in self._days.get(day) or self._remember(day):
                if at <= start_at:
                    edges[0] = (start_at, mask)
                elif at >= end_at:
                    break
                elif edges[-1][1] != mask:
                    edges.append((at, mask))
            day += ONE_DAY
        return edges

    def _remember(self, day: date) -> tuple[tuple[datetime, int], ...]:
        if len(self._days) >= MOST_CACHED_DAYS:
            self._days.clear()
        table = tuple(self._table(day))
        self._days[day] = table
        return table

    def _table(self, day: date) -> Iterator[tuple[datetime, int]]:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        previous = -1
        for begin, end, offset in self._same_offset(start, start + ONE_DAY):
            moments = {begin}
            local_day = (begin + offset).date()
            for shift in range(3):
                for clock in self._times:
                    at = datetime.combine(local_day + shift * ONE_DAY, clock, tzinfo=UTC) - offset
                    if begin < at < end:
                        moments.add(at)
            for at in sorted(moments):
                mask = self._mask((at + offset).replace(tzinfo=None))
                if mask != previous:
                    yield at, mask
                    previous = mask

    def _mask(self, local: datetime) -> int:
        mask = 0
        for index, restriction in enumerate(self._restrictions):
            if matches_local(restriction, local):
                mask |= 1 << index
        return mask

    def _same_offset(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
        """Cut [start, end) where the zone's offset from UTC changes."""
        begin, offset = start, self._offset(start)
        hour = start
        while hour < end:
            following = hour + ONE_HOUR
            after = self._offset(following)
            if after != offset:
                change = self._change_between(hour, following, offset)
                if change < end:
                    if change > begin:
                        yield begin, change, offset
                    begin, offset = change, after
            hour = following
        yield begin, end, offset

    def _change_between(self, low: datetime, high: datetime, offset: timedelta) -> datetime:
        while high - low > ONE_SECOND:
            middle = low + (high - low) // 2
            middle = middle.replace(microsecond=0)
            if middle <= low:
                middle = low + ONE_SECOND
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _offset(self, at: datetime) -> timedelta:
        return at.astimezone(self._zone).utcoffset() or timedelta(0)
