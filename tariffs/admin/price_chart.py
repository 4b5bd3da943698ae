"""The next prices of a series as numbers for inline SVG and as rows of hours; gaps stand out in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from common.formats import number_words

WIDTH, TOP, BOTTOM, LEFT = 600, 12, 138, 52
PRICE_PLACES = 5

Steps = Sequence[tuple[datetime, Decimal | None]]


@dataclass(frozen=True)
class PriceBar:
    x: str
    y: str
    width: str
    height: str
    title: str
    is_gap: bool


@dataclass(frozen=True)
class PriceHour:
    """An hour on the local clock; `prices` has one entry per step, None for a gap."""

    day: str
    hour: str
    prices: tuple[str | None, ...]


@dataclass(frozen=True)
class PriceChart:
    """In a view box of 600 x 160. `scale` are (height, price), `days` (position, name of the day)."""

    bars: tuple[PriceBar, ...]
    scale: tuple[tuple[str, str], ...]
    days: tuple[tuple[str, str], ...]
    hours: tuple[PriceHour, ...]
    gaps: int


def price_chart(steps: Steps, time_zone: str) -> PriceChart:
    zone = ZoneInfo(time_zone)
    prices = [price for _at, price in steps if price is not None]
    high, low = max([*prices, Decimal("0.01")]), min([*prices, Decimal(0)])
    width = Decimal(WIDTH - LEFT) / max(len(steps), 1)
    bars: list[PriceBar] = []
    days: list[tuple[str, str]] = []
    for index, (at, price) in enumerate(steps):
        local, x = at.astimezone(zone), LEFT + index * width
        if not days or (local.hour, local.minute) == (0, 0):
            days.append((_plain(x), date_format(local, "D j M")))
        top, bottom = (
            _height(max(price or low, Decimal(0)), low, high),
            _height(min(price or low, Decimal(0)), low, high),
        )
        if price is None:
            top, bottom = Decimal(TOP), Decimal(BOTTOM)
        words = _("no price") if price is None else number_words(price, PRICE_PLACES)
        bars.append(
            PriceBar(
                x=_plain(x),
                y=_plain(top),
                width=_plain(width * Decimal("0.86")),
                height=_plain(max(bottom - top, Decimal("0.8"))),
                title=f"{date_format(local, 'D H:i')} {words}",
                is_gap=price is None,
            )
        )
    scale = tuple(
        (_plain(_height(value, low, high)), number_words(value, 3)) for value in sorted({low, Decimal(0), high})
    )
    return PriceChart(tuple(bars), scale, tuple(days), _hours(steps, zone), len(steps) - len(prices))


def _hours(steps: Steps, zone: ZoneInfo) -> tuple[PriceHour, ...]:
    def hour_of(step: tuple[datetime, Decimal | None]) -> datetime:
        return step[0].astimezone(zone).replace(minute=0)

    def name_of(hour: datetime) -> str:
        repeated = hour.replace(fold=0).utcoffset() != hour.replace(fold=1).utcoffset()
        return f"{hour:%H:%M}{hour:%z}" if repeated else f"{hour:%H:%M}"

    # An hour the clock repeats is two hours: they differ in their offset.
    grouped = groupby(steps, key=lambda step: (hour_of(step), hour_of(step).utcoffset()))
    return tuple(
        PriceHour(
            date_format(hour, "D j M"),
            name_of(hour),
            tuple(None if price is None else number_words(price, PRICE_PLACES) for _at, price in group),
        )
        for (hour, _offset), group in grouped
    )


def _height(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    return TOP + (high - value) * (BOTTOM - TOP) / (high - low)


def _plain(number: Decimal) -> str:
    return f"{number:.1f}"
