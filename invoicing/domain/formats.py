"""Dates, spans, durations and exact quantities as documents write them. Pure; rules from CLDR through Babel.

Amounts are written by common.formats, as everywhere. What is here is exact where the site is brief: a receipt must let
its reader repeat the multiplication.
"""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal

_SPACE = "\N{NO-BREAK SPACE}"


def quantity(value: Decimal, unit: str, locale: Locale) -> str:
    """“18.400 kWh”: always three decimals, the Wh of a meter."""
    return f"{format_decimal(value, format='#,##0.000', locale=locale)}{_SPACE}{unit}"


def percent(value: Decimal, locale: Locale) -> str:
    """“19 %”, “5.5 %”."""
    return f"{format_decimal(value, format='#,##0.###', locale=locale)}{_SPACE}%"


def day(moment: date, locale: Locale) -> str:
    """“20 November 2026”."""
    return str(format_date(moment, format="long", locale=locale))


def span(started_at: datetime, ended_at: datetime, time_zone: str, locale: Locale) -> str:
    """“14:02 – 15:14 CET”: with the last date when it passed midnight, with both zones when the clock was changed."""
    start, end = (moment.astimezone(ZoneInfo(time_zone)) for moment in (started_at, ended_at))
    first, last = (str(format_time(moment.time(), format="short", locale=locale)) for moment in (start, end))
    if start.date() != end.date():
        last = f"{day(end.date(), locale)}, {last}"
    if start.tzname() != end.tzname():
        first = f"{first} {start.tzname()}"
    return f"{first} – {last} {end.tzname()}"


def duration(seconds: int) -> str:
    """“1 h 12 min”, “12 min 30 s”, “1 h 00 min 05 s”, “0 s”: no unit is rounded away."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts: list[tuple[int, str]] = [(hours, "h")] if hours else []
    if minutes or (hours and left):
        parts.append((minutes, "min"))
    if left or not parts:
        parts.append((left, "s"))
    first, *others = parts
    words = [f"{first[0]}{_SPACE}{first[1]}", *(f"{count:02d}{_SPACE}{unit}" for count, unit in others)]
    return _SPACE.join(words)


def with_minus_sign(text: str) -> str:
    """A real minus sign, which digits line up with."""
    return text.replace("-", "\N{MINUS SIGN}")
