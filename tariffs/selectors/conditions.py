"""When a price applies, in the reader's words."""

from collections.abc import Collection, Iterator
from datetime import time
from decimal import Decimal

from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from common.formats import duration_words, number_words
from tariffs.domain.spec import Restrictions

_WORKDAYS = frozenset({1, 2, 3, 4, 5})
_WEEKEND = frozenset({6, 7})


def condition_words(restrictions: Restrictions, *, only: Collection[str] | None = None) -> str:
    """The conditions of an element as one phrase: “Monday to Friday, 09:00 to 18:00, after 4 h”. Empty for always.

    `only` keeps those with these codes (tariffs.domain.words.Condition).
    """
    return ", ".join(words for code, words in _phrases(restrictions) if only is None or code in only)


def _phrases(restrictions: Restrictions) -> Iterator[tuple[str, str]]:
    if restrictions.days:
        yield "weekdays", _day_words(restrictions.days)
    if restrictions.start_time is not None or restrictions.end_time is not None:
        end = _clock(restrictions.end_time, "24:00")
        yield (
            "time_of_day",
            _("%(start)s to %(end)s")
            % {"start": _clock(restrictions.start_time, "00:00"), "end": "24:00" if end == "00:00" else end},
        )
    if restrictions.start_date is not None:
        yield "dates", _("from %(date)s on") % {"date": date_format(restrictions.start_date, "DATE_FORMAT")}
    if restrictions.end_date is not None:
        yield "dates", _("before %(date)s") % {"date": date_format(restrictions.end_date, "DATE_FORMAT")}
    yield from _range("energy", restrictions.min_kwh, restrictions.max_kwh, "kWh")
    yield from _range("power", restrictions.min_power, restrictions.max_power, "kW")
    yield from _range("current", restrictions.min_current, restrictions.max_current, "A")
    if restrictions.min_duration:
        yield "duration", _("after %(duration)s") % {"duration": duration_words(restrictions.min_duration)}
    if restrictions.max_duration is not None:
        yield "duration", _("in the first %(duration)s") % {"duration": duration_words(restrictions.max_duration)}
    if restrictions.reservation is not None:
        yield "reservation", _("while reserved")


def _range(code: str, low: Decimal | None, high: Decimal | None, unit: str) -> Iterator[tuple[str, str]]:
    if low is not None and high is not None:
        yield code, _("from %(low)s to %(high)s %(unit)s") % {"low": _plain(low), "high": _plain(high), "unit": unit}
    elif low is not None:
        yield code, _("from %(low)s %(unit)s on") % {"low": _plain(low), "unit": unit}
    elif high is not None:
        yield code, _("below %(high)s %(unit)s") % {"high": _plain(high), "unit": unit}


def _day_words(days: frozenset[int]) -> str:
    if days == _WORKDAYS:
        return _("Monday to Friday")
    if days == _WEEKEND:
        return _("Saturday and Sunday")
    return capfirst(", ".join(str(WEEKDAYS[day - 1]) for day in sorted(days)))


def _clock(clock: time | None, otherwise: str) -> str:
    return otherwise if clock is None else clock.strftime("%H:%M")


def _plain(number: Decimal) -> str:
    return number_words(number, 3)
