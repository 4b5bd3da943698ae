"""Charts as numbers for inline SVG. The browser needs no script and runs nothing of ours to draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

WIDTH = 600
HEIGHT = 160
_LEFT = 44
_BOTTOM = 22
_TOP = 16


@dataclass(frozen=True)
class Bar:
    x: str
    y: str
    width: str
    height: str
    label: str
    title: str


@dataclass(frozen=True)
class BarChart:
    """Bars over days with three lines of scale. Positions are in a view box of WIDTH x HEIGHT."""

    bars: tuple[Bar, ...]
    scale: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LineChart:
    """One line over time: SVG points, the scale, and when it begins and ends."""

    points: str
    scale: tuple[tuple[str, str], ...]
    first: datetime
    last: datetime


def bar_chart(columns: Sequence[tuple[str, Decimal, str]]) -> BarChart:
    """Columns of (label, value >= 0, what it says when pointed at)."""
    top = _round_up(max((value for _label, value, _title in columns), default=Decimal(0)))
    step = Decimal(WIDTH - _LEFT) / max(len(columns), 1)
    bars = []
    for index, (label, value, title) in enumerate(columns):
        y = _height_of(value, top)
        bars.append(
            Bar(
                x=_plain(_LEFT + step * index + step * Decimal("0.15")),
                y=_plain(y),
                width=_plain(step * Decimal("0.7")),
                height=_plain(HEIGHT - _BOTTOM - y),
                label=label,
                title=title,
            )
        )
    return BarChart(bars=tuple(bars), scale=_scale(top))


def line_chart(samples: Sequence[tuple[datetime, Decimal]]) -> LineChart | None:
    """Samples in order of time, values >= 0; None for fewer than two moments."""
    if len(samples) < 2 or samples[0][0] == samples[-1][0]:
        return None
    first, last = samples[0][0], samples[-1][0]
    span = _seconds(first, last)
    top = _round_up(max(value for _moment, value in samples))
    points = " ".join(
        f"{_plain(_LEFT + Decimal(WIDTH - _LEFT) * _seconds(first, moment) / span)},{_plain(_height_of(value, top))}"
        for moment, value in samples
    )
    return LineChart(points=points, scale=_scale(top), first=first, last=last)


def _seconds(first: datetime, last: datetime) -> Decimal:
    span = last - first
    return Decimal(span.days * 86_400 + span.seconds)


def _round_up(value: Decimal) -> Decimal:
    """The next 1, 2 or 5 times a power of ten, so that the scale reads well."""
    if value <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(value.adjusted())
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)


def _height_of(value: Decimal, top: Decimal) -> Decimal:
    room = HEIGHT - _BOTTOM - _TOP
    return HEIGHT - _BOTTOM - room * value / top


def _scale(top: Decimal) -> tuple[tuple[str, str], ...]:
    return tuple((_plain(_height_of(value, top)), f"{value.normalize():f}") for value in (Decimal(0), top / 2, top))


def _plain(number: Decimal) -> str:
    return f"{number:.1f}"
