"""Which elements of a tariff decide, where two of them meet, and where none does: exact, by partition.

Every limit of every element cuts its axis (dates, week, energy, duration, power, current) into cells inside which
nothing changes. A cell is the set of elements it lets through, a bit each; the combinations of cells are walked as the
distinct sets they leave, never as a grid, so that a tariff of hundreds of elements is decided and not sampled.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from tariffs.domain.calendar import MIDNIGHT, ONE_DAY, within_hours
from tariffs.domain.gaps import Gap, Hours, Range
from tariffs.domain.spec import Dimension, Element, ReservationRestriction, Restrictions

# The sets of one step, and the cells of the calendar, that are still worked through.
MOST_STEPS = 2_000_000
MOST_CALENDAR_CELLS = 60_000
_WEEK = tuple(range(1, 8))
T = TypeVar("T")


class TooLarge(Exception):
    """The tariff combines more limits than can be worked through."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Values of one axis inside which no element starts or stops to match: a bit each. `until` None: without end."""

    mask: int
    since: Decimal
    until: Decimal | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What becomes of one dimension. Numbers are those of elements.

    never: nothing satisfies their restrictions. covered: satisfiable, but an earlier one (`by`) always decides.
    meetings: (earlier, later) that reach into each other, where the earlier decides and neither is the general case of
    the other. gap: where nothing prices the dimension, None for nowhere; is_exact: everywhere in there.
    """

    never: tuple[int, ...]
    covered: tuple[tuple[int, tuple[int, ...]], ...]
    meetings: tuple[tuple[int, int], ...]
    gap: Gap | None
    is_exact: bool = True


class Space:
    """The cells of all axes for the elements of one tariff that price `kind` (None: the session proper).

    `today`: what is over by then matches no more. Raises TooLarge.
    """

    def __init__(
        self, elements: Sequence[Element], *, kind: ReservationRestriction | None = None, today: date | None = None
    ) -> None:
        self._elements = elements
        self._numbers = [n for n, element in enumerate(elements) if element.restrictions.reservation is kind]
        rules = {number: elements[number].restrictions for number in self._numbers}
        self._dates, self._week, self._calendar = _calendar(rules, today)
        self._numeric: dict[str, list[Cell]] = {
            "energy": _ranges(rules, lambda r: (r.min_kwh, r.max_kwh)),
            "duration": _ranges(rules, lambda r: (r.min_duration, r.max_duration)),
            "power": _ranges(rules, lambda r: (r.min_power, r.max_power)),
            "current": _ranges(rules, lambda r: (r.min_current, r.max_current)),
        }

    def coverage(self, dimension: Dimension, *, from_kwh: Decimal = Decimal(0), with_gaps: bool = True) -> Coverage:
        """Of the elements that price `dimension`, looking at the session from `from_kwh` on. Raises TooLarge."""
        ours = [number for number in self._numbers if self._elements[number].component(dimension) is not None]
        bits = sum(1 << number for number in ours)
        numeric = dict(self._numeric)
        if from_kwh:
            numeric["energy"] = [
                replace(cell, since=max(cell.since, from_kwh))
                for cell in numeric["energy"]
                if cell.until is None or cell.until > from_kwh
            ]
        if dimension is Dimension.PARKING_TIME:
            for load in ("power", "current"):  # a parked vehicle draws neither
                numeric[load] = numeric[load][:1]
        axes: list[list[int]] = [_distinct(self._calendar, bits)]
        axes += [_distinct((cell.mask for cell in cells), bits) for cells in numeric.values()]
        reached = _reached(bits, axes)
        union = 0
        deciders = 0
        meets: dict[int, int] = {}
        for mask in reached:
            union |= mask
            if mask:
                first = mask & -mask
                deciders |= first
                meets[first] = meets.get(first, 0) | mask ^ first
        never = tuple(number for number in ours if not union >> number & 1)
        hidden = [number for number in ours if union >> number & 1 and not deciders >> number & 1]
        covered = tuple((n, tuple(sorted(f.bit_length() - 1 for f in meets if meets[f] >> n & 1))) for n in hidden)
        met = sorted(
            (first.bit_length() - 1, number)
            for first, later in meets.items()
            for number in ours
            if later >> number & 1 and number not in hidden
        )
        inside = self._containment(numeric.values(), bits)
        meetings = tuple(pair for pair in met if not inside(*pair))
        gap, is_exact = None, True
        if with_gaps and ours and 0 in reached:
            gap, is_exact = self._gap(dimension, bits, numeric)
        return Coverage(never, covered, meetings, gap, is_exact)

    def _containment(self, numeric: Iterable[list[Cell]], bits: int) -> Callable[[int, int], bool]:
        """Whether the first element's circumstances all lie inside the second's: a general case after a special one."""
        axes = [_distinct(self._calendar, bits), *(_distinct((c.mask for c in cells), bits) for cells in numeric)]
        rows: dict[int, list[int]] = {}

        def row(number: int) -> list[int]:
            if number not in rows:
                rows[number] = [
                    sum(1 << place for place, mask in enumerate(axis) if mask >> number & 1) for axis in axes
                ]
            return rows[number]

        return lambda first, second: all(not a & ~b for a, b in zip(row(first), row(second), strict=True))

    def _gap(self, dimension: Dimension, bits: int, numeric: dict[str, list[Cell]]) -> tuple[Gap | None, bool]:
        """Where nothing prices the dimension, axis by axis, and whether all of that is free."""
        # FLAT is paid once, the first time it becomes active: later in a session its absence means nothing.
        axes = {} if dimension is Dimension.FLAT else dict(numeric)
        fixed = [_distinct((c.mask for c in cells), bits) for name, cells in numeric.items() if name not in axes]
        anywhere = bits
        if fixed:  # an element may become active somewhere along these axes
            anywhere = 0
            for mask in _reached(bits, fixed):
                anywhere |= mask
        masks = {name: _distinct((c.mask for c in cells), bits) for name, cells in axes.items()}
        calendar = _distinct(self._calendar, bits)
        others = _reached(anywhere, list(masks.values()))
        free_moments = {mask for mask in calendar if any(not mask & other for other in others)}
        if not free_moments:
            return None, True
        dates, week = self._free_calendar(free_moments, bits)
        ranges = []
        free: dict[str, list[Cell]] = {}
        for name, cells in axes.items():
            rest = _reached(anywhere, [calendar, *(m for other, m in masks.items() if other != name)])
            free[name] = [cell for cell in cells if any(not cell.mask & other for other in rest)]
            if len(free[name]) < len(cells) or cells[0].since:
                ranges.append(_free_range(name, free[name]))
        moments = [
            mask & bits
            for (interval, day), row in self._by_day()
            for number, mask in enumerate(row)
            if interval in dates and (day, number) in week
        ]
        inside = _reached(
            anywhere, [list(set(moments)), *(_distinct((c.mask for c in f), bits) for f in free.values())]
        )
        all_year = len(dates) == len(self._dates)
        return Gap(
            dates=() if all_year else _merged(self._dates[number][:2] for number in sorted(dates)),
            hours=_free_hours(week, self._week),
            ranges=tuple(ranges),
        ), inside == {0}

    def _by_day(self) -> Iterator[tuple[tuple[int, int], list[int]]]:
        width = len(self._week)
        position = 0
        for interval, (_since, _until, days) in enumerate(self._dates):
            for day in days:
                yield (interval, day), self._calendar[position : position + width]
                position += width

    def _free_calendar(self, free: set[int], bits: int) -> tuple[set[int], set[tuple[int, int]]]:
        dates: set[int] = set()
        week: set[tuple[int, int]] = set()
        for (interval, day), row in self._by_day():
            for number, mask in enumerate(row):
                if mask & bits in free:
                    dates.add(interval)
                    week.add((day, number))
        return dates, week


# --- Building the cells -------------------------------------------------------------------------------------------

_Interval = tuple[date | None, date | None, tuple[int, ...]]


def _calendar(
    rules: dict[int, Restrictions], today: date | None
) -> tuple[list[_Interval], list[tuple[time, time]], list[int]]:
    """Intervals of dates with the weekdays in them, the cuts of a day, and the mask of each (interval, day, cut)."""
    days_matter = any(rule.days for rule in rules.values())
    cuts = sorted({MIDNIGHT, *(t for r in rules.values() for t in (r.start_time, r.end_time) if t is not None)})
    times = list(zip(cuts, [*cuts[1:], MIDNIGHT], strict=True))
    edges = sorted({d for r in rules.values() for d in (r.start_date, r.end_date) if d is not None})
    if today is not None:
        edges = [edge for edge in edges if edge > today]
    bounds: list[date | None] = [today, *edges, None]
    intervals: list[_Interval] = []
    for since, until in pairwise(bounds):
        intervals.append((since, until, _days_between(since, until) if days_matter else (0,)))
    if sum(len(days) for _since, _until, days in intervals) * len(times) > MOST_CALENDAR_CELLS:
        raise TooLarge
    by_time = [
        sum(1 << n for n, rule in rules.items() if within_hours(rule.start_time, rule.end_time, since))
        for since, _until in times
    ]
    by_day = {
        day: sum(1 << n for n, rule in rules.items() if not day or not rule.days or day in rule.days)
        for day in (0, *_WEEK)
    }
    masks: list[int] = []
    for since, until, days in intervals:
        in_season = sum(1 << n for n, rule in rules.items() if _in_season(rule, since, until))
        masks += [in_season & by_day[day] & hours for day in days for hours in by_time]
    return intervals, times, masks


def _in_season(rule: Restrictions, since: date | None, until: date | None) -> bool:
    """Intervals never straddle a limit, so one that begins inside lies inside."""
    if rule.start_date is not None and (since is None or since < rule.start_date):
        return False
    return rule.end_date is None or (since is not None and since < rule.end_date) or _before(until, rule.end_date)


def _before(until: date | None, limit: date) -> bool:
    return until is not None and until <= limit


def _days_between(since: date | None, until: date | None) -> tuple[int, ...]:
    if since is None or until is None or until - since >= timedelta(days=7):
        return _WEEK
    return tuple(sorted((since + n * ONE_DAY).isoweekday() for n in range((until - since).days)))


def _ranges(
    rules: dict[int, Restrictions], limits: Callable[[Restrictions], tuple[Decimal | int | None, Decimal | int | None]]
) -> list[Cell]:
    held = {number: limits(rule) for number, rule in rules.items()}
    edges = sorted({Decimal(0), *(Decimal(edge) for pair in held.values() for edge in pair if edge is not None)})
    return [
        Cell(
            mask=sum(
                1 << number
                for number, (low, high) in held.items()
                if (low is None or low <= since) and (high is None or since < high)
            ),
            since=since,
            until=until,
        )
        for since, until in zip(edges, [*edges[1:], None], strict=True)
    ]


def _distinct(masks: Iterable[int], bits: int) -> list[int]:
    return list({mask & bits for mask in masks})


def _reached(bits: int, axes: Sequence[Sequence[int]]) -> set[int]:
    """The distinct sets that the combinations of one mask per axis leave of `bits`."""
    reached = {bits}
    for masks in axes:
        if len(reached) * len(masks) > MOST_STEPS:
            raise TooLarge
        reached = {one & other for one in reached for other in masks}
    return reached


# --- What is left -------------------------------------------------------------------------------------------------


def _free_hours(free: set[tuple[int, int]], times: Sequence[tuple[time, time]]) -> tuple[Hours, ...]:
    """Days with the same hours together; empty for the whole week."""
    hours_of: dict[int, tuple[tuple[time, time], ...]] = {}
    for day in sorted({day for day, _cut in free}):
        hours_of[day] = _merged(times[number] for number in range(len(times)) if (day, number) in free)
    whole_day = ((MIDNIGHT, MIDNIGHT),)
    if set(hours_of) in ({0}, set(_WEEK)) and set(hours_of.values()) == {whole_day}:
        return ()
    found = []
    for hours in dict.fromkeys(hours_of.values()):
        days = tuple(day for day, own in hours_of.items() if own == hours)
        found.append(Hours(() if days in ((0,), _WEEK) else days, hours))
    return tuple(found)


def _free_range(name: str, cells: Iterable[Cell]) -> Range:
    spans = _merged((cell.since, cell.until) for cell in cells)
    return Range(name, tuple((since or None, until) for since, until in spans))  # from zero on says nothing


def _merged(spans: Iterable[tuple[T, T]]) -> tuple[tuple[T, T], ...]:
    """Spans that follow each other as one."""
    merged: list[tuple[T, T]] = []
    for since, until in spans:
        if merged and merged[-1][1] == since:
            merged[-1] = (merged[-1][0], until)
        else:
            merged.append((since, until))
    return tuple(merged)
