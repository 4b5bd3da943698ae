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

from tariffs.domain.calendar import MIDNIGHT, ONE_DAY, within_hours
from tariffs.domain.spec import Dimension, Element, ReservationRestriction, Restrictions
from tariffs.domain.words import number_text

# The sets of one step, and the cells of the calendar, that are still worked through.
MOST_STEPS = 2_000_000
MOST_CALENDAR_CELLS = 60_000
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = tuple(range(1, 8))
_MINUTES = 60
_HOUR = 3600


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
    the other. gap: where nothing prices the dimension, in words, "" for nowhere; is_exact: everywhere in there.
    """

    never: tuple[int, ...]
    covered: tuple[tuple[int, tuple[int, ...]], ...]
    meetings: tuple[tuple[int, int], ...]
    gap: str
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
        gap, is_exact = "", True
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

    def _gap(self, dimension: Dimension, bits: int, numeric: dict[str, list[Cell]]) -> tuple[str, bool]:
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
            return "", True
        dates, week = self._free_calendar(free_moments, bits)
        parts = [words for words in (self._date_words(dates), _week_words(week, self._week)) if words]
        free: dict[str, list[Cell]] = {}
        for name, cells in axes.items():
            rest = _reached(anywhere, [calendar, *(m for other, m in masks.items() if other != name)])
            free[name] = [cell for cell in cells if any(not cell.mask & other for other in rest)]
            if len(free[name]) < len(cells) or cells[0].since:
                parts.append(_range_words(name, free[name]))
        moments = [
            mask & bits
            for (interval, day), row in self._by_day()
            for number, mask in enumerate(row)
            if interval in dates and (day, number) in week
        ]
        inside = _reached(
            anywhere, [list(set(moments)), *(_distinct((c.mask for c in f), bits) for f in free.values())]
        )
        return ", ".join(parts) or "at any moment", inside == {0}

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

    def _date_words(self, intervals: set[int]) -> str:
        if len(intervals) == len(self._dates):
            return ""
        merged: list[tuple[date | None, date | None]] = []
        for number in sorted(intervals):
            since, until, _days = self._dates[number]
            if merged and merged[-1][1] == since:
                merged[-1] = (merged[-1][0], until)
            else:
                merged.append((since, until))
        return " and ".join(_span(since, until, "") for since, until in merged)


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


# --- Words --------------------------------------------------------------------------------------------------------


def _week_words(free: set[tuple[int, int]], times: Sequence[tuple[time, time]]) -> str:
    """ "Mon–Fri 20:00–24:00"; empty for the whole week."""
    hours_of: dict[int, tuple[tuple[time, time], ...]] = {}
    for day in sorted({day for day, _cut in free}):
        merged: list[tuple[time, time]] = []
        for number, (since, until) in enumerate(times):
            if (day, number) in free:
                if merged and merged[-1][1] == since:
                    merged[-1] = (merged[-1][0], until)
                else:
                    merged.append((since, until))
        hours_of[day] = tuple(merged)
    whole_day = ((MIDNIGHT, MIDNIGHT),)
    if set(hours_of) in ({0}, set(_WEEK)) and set(hours_of.values()) == {whole_day}:
        return ""
    phrases = []
    for hours in dict.fromkeys(hours_of.values()):
        days = [day for day, own in hours_of.items() if own == hours]
        spans = " and ".join(f"{since:%H:%M}–{_end(until)}" for since, until in hours)
        phrases.append(spans if days in ([0], list(_WEEK)) else f"{day_words(days)} {spans}")
    return "; ".join(phrases)


def _end(until: time) -> str:
    return "24:00" if until == MIDNIGHT else f"{until:%H:%M}"


def day_words(days: Sequence[int]) -> str:
    """ISO weekdays: "Mon–Fri", "Tue, Thu"."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        f"{_DAYS[run[0] - 1]}–{_DAYS[run[-1] - 1]}" if len(run) > 2 else ", ".join(_DAYS[day - 1] for day in run)
        for run in runs
    )


def _range_words(name: str, cells: Sequence[Cell]) -> str:
    unit = {"energy": " kWh", "power": " kW", "current": " A", "duration": ""}[name]
    merged: list[tuple[Decimal, Decimal | None]] = []
    for cell in cells:
        if merged and merged[-1][1] == cell.since:
            merged[-1] = (merged[-1][0], cell.until)
        else:
            merged.append((cell.since, cell.until))
    shown = seconds_words if name == "duration" else number_text
    return " and ".join(
        _span(since or None, until, unit, shown)  # from zero on says nothing
        for since, until in merged
    )


def _span(since: object, until: object, unit: str, shown: Callable[[object], str] = number_text) -> str:
    if since is None:
        return f"below {shown(until)}{unit}" if unit or shown is seconds_words else f"before {shown(until)}"
    if until is None:
        return f"from {shown(since)}{unit} on"
    return f"{shown(since)} to {shown(until)}{unit}"


def seconds_words(seconds: object) -> str:
    """ "45 min", "2 h", "90 s"."""
    value = int(str(seconds))
    if value and value % _HOUR == 0:
        return f"{value // _HOUR} h"
    if value and value % _MINUTES == 0:
        return f"{value // _MINUTES} min"
    return f"{value} s"
