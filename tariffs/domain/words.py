"""A restriction in the few words a price explanation needs, with a stable code a page can translate by."""

from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from typing import NamedTuple

from tariffs.domain.spec import Restrictions

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Condition(NamedTuple):
    """One condition of an element, or why a named price applies.

    code: time_of_day, dates, weekdays, energy, duration, power, current or reservation; of named prices free_energy,
    free_time, idle_grace, idle_free_hours, idle_cap, tier, spot, spot_fallback, connection_fee or service_fee.
    subject: what it is held against (calendar, energy, duration, power, current or state; idle, spot, session).
    words: "09:00–18:00", "≥ 20 kWh, < 50 kWh" ...
    """

    code: str
    subject: str
    words: str


def conditions_of(restrictions: Restrictions) -> tuple[Condition, ...]:
    """The conditions of `restrictions`, all of which must hold; none for an element that always applies."""
    return tuple(_conditions(restrictions))


def _conditions(restrictions: Restrictions) -> Iterator[Condition]:
    if restrictions.days:
        days = ", ".join(_DAYS[day - 1] for day in sorted(restrictions.days))
        yield Condition("weekdays", "calendar", days)
    if restrictions.start_time is not None or restrictions.end_time is not None:
        yield Condition("time_of_day", "calendar", clock_range(restrictions.start_time, restrictions.end_time))
    if restrictions.start_date is not None or restrictions.end_date is not None:
        yield Condition("dates", "calendar", _range(restrictions.start_date, restrictions.end_date, ""))
    for code, low, high, unit in (
        ("energy", restrictions.min_kwh, restrictions.max_kwh, " kWh"),
        ("power", restrictions.min_power, restrictions.max_power, " kW"),
        ("current", restrictions.min_current, restrictions.max_current, " A"),
        ("duration", restrictions.min_duration, restrictions.max_duration, " s"),
    ):
        if low is not None or high is not None:
            yield Condition(code, code, _range(low, high, unit))
    if restrictions.reservation is not None:
        yield Condition("reservation", "state", restrictions.reservation.value.lower().replace("_", " "))


def _range(low: object, high: object, unit: str) -> str:
    parts = []
    if low is not None:
        parts.append(f"≥ {number_text(low)}{unit}")
    if high is not None:
        parts.append(f"< {number_text(high)}{unit}")
    return ", ".join(parts)


def number_text(value: object) -> str:
    """A number without trailing zeros."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def clock_range(start: time | None, end: time | None) -> str:
    """ "22:00–06:00"; the day begins at 00:00 and ends at 24:00."""
    return f"{_clock(start, '00:00')}–{_end(end)}"


def _clock(clock: time | None, otherwise: str) -> str:
    return otherwise if clock is None else clock.strftime("%H:%M")


def _end(clock: time | None) -> str:
    text = _clock(clock, "24:00")
    return "24:00" if text == "00:00" else text
