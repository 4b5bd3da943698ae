"""Where nothing prices a dimension: as values, and in words that whoever shows them may translate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from tariffs.domain.calendar import MIDNIGHT
from tariffs.domain.findings import Translate, gettext_noop, same
from tariffs.domain.words import number_text

_MINUTES = 60
_HOUR = 3600
_DAYS = (
    gettext_noop("Mon"),
    gettext_noop("Tue"),
    gettext_noop("Wed"),
    gettext_noop("Thu"),
    gettext_noop("Fri"),
    gettext_noop("Sat"),
    gettext_noop("Sun"),
)
_UNITS = {"energy": " kWh", "power": " kW", "current": " A", "duration": ""}


@dataclass(frozen=True, slots=True)
class Hours:
    """[since, until) on the wall clock of these ISO weekdays; no days: of every day. Until 00:00 is 24:00."""

    days: tuple[int, ...]
    spans: tuple[tuple[time, time], ...]


@dataclass(frozen=True, slots=True)
class Range:
    """[since, until) of energy (kWh), power (kW), current (A) or duration (seconds); None: without that end."""

    name: str
    spans: tuple[tuple[Decimal | None, Decimal | None], ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """All that is stated holds at once; nothing stated: at any moment."""

    dates: tuple[tuple[date | None, date | None], ...] = ()
    hours: tuple[Hours, ...] = ()
    ranges: tuple[Range, ...] = ()

    def words(self, translate: Translate = same) -> str:
        """ "Mon–Fri 20:00–24:00, from 20 kWh on"."""
        parts = [_spans(self.dates, "", str, translate)] if self.dates else []
        if self.hours:
            parts.append("; ".join(_hours(hours, translate) for hours in self.hours))
        for one in self.ranges:
            shown = seconds_words if one.name == "duration" else number_text
            parts.append(_spans(one.spans, _UNITS[one.name], shown, translate))
        return ", ".join(parts) or translate(gettext_noop("at any moment"))


def day_words(days: Sequence[int], translate: Translate = same) -> str:
    """ISO weekdays: "Mon–Fri", "Tue, Thu"."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = [translate(name) for name in _DAYS]
    return ", ".join(
        f"{names[run[0] - 1]}–{names[run[-1] - 1]}" if len(run) > 2 else ", ".join(names[day - 1] for day in run)
        for run in runs
    )


def seconds_words(seconds: object) -> str:
    """ "45 min", "2 h", "90 s"."""
    value = int(str(seconds))
    if value and value % _HOUR == 0:
        return f"{value // _HOUR} h"
    if value and value % _MINUTES == 0:
        return f"{value // _MINUTES} min"
    return f"{value} s"


def _hours(hours: Hours, translate: Translate) -> str:
    spans = _joined([f"{since:%H:%M}–{_end(until)}" for since, until in hours.spans], translate)
    return f"{day_words(hours.days, translate)} {spans}" if hours.days else spans


def _end(until: time) -> str:
    return "24:00" if until == MIDNIGHT else f"{until:%H:%M}"


def _spans(
    spans: Sequence[tuple[object, object]], unit: str, shown: Callable[[object], str], translate: Translate
) -> str:
    return _joined([_span(since, until, unit, shown, translate) for since, until in spans], translate)


def _span(since: object, until: object, unit: str, shown: Callable[[object], str], translate: Translate) -> str:
    if since is None:
        form = gettext_noop("before %(until)s") if isinstance(until, date) else gettext_noop("below %(until)s")
        return translate(form) % {"until": f"{shown(until)}{unit}"}
    if until is None:
        return translate(gettext_noop("from %(since)s on")) % {"since": f"{shown(since)}{unit}"}
    return translate(gettext_noop("%(since)s to %(until)s")) % {"since": shown(since), "until": f"{shown(until)}{unit}"}


def _joined(parts: Sequence[str], translate: Translate) -> str:
    return f" {translate(gettext_noop('and'))} ".join(parts)
