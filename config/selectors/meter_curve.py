"""The power of a session over time, as points of a drawing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from billing.models import ChargingSession, MeterValue

WIDTH = 600
HEIGHT = 160
# More points than this cannot be told apart on a phone.
MOST_POINTS = 240
_SECONDS_PER_HOUR = 3600
_ROUND_STEPS = tuple(Decimal(step) for step in ("1", "1.2", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10"))

Sample = tuple[datetime, Decimal]


@dataclass(frozen=True)
class MeterCurve:
    """`line` and `area` are SVG points in a WIDTH x HEIGHT box, baseline at HEIGHT; `top_w` is its upper edge."""

    line: str
    area: str
    top_w: Decimal
    highest_w: Decimal
    highest_at: datetime
    starts_at: datetime
    ends_at: datetime
    width: int = WIDTH
    height: int = HEIGHT


def meter_curve(session: ChargingSession) -> MeterCurve | None:
    """Reported power or, where a station reports none, the average between energy readings; None without either."""
    values = MeterValue.objects.filter(
        charging_session=session, measurand__in=[MeterValue.Measurand.POWER, MeterValue.Measurand.ENERGY], phase=""
    ).order_by("occurred_at", "pk")
    by_measurand: dict[str, dict[datetime, Decimal]] = {}
    for measurand, at, value in values.values_list("measurand", "occurred_at", "value"):
        by_measurand.setdefault(measurand, {})[at] = value
    samples = list(by_measurand.get(MeterValue.Measurand.POWER, {}).items())
    if len(samples) < 2:
        samples = _average_power(list(by_measurand.get(MeterValue.Measurand.ENERGY, {}).items()))
    return _curve(samples) if len(samples) >= 2 else None


def _average_power(readings: list[Sample]) -> list[Sample]:
    """Two samples per stretch between readings, so that the drawing shows steps."""
    samples: list[Sample] = []
    for (start, low), (end, high) in pairwise(readings):
        seconds = (end - start) // timedelta(seconds=1)
        if seconds > 0 and high >= low:
            power = (high - low) * _SECONDS_PER_HOUR / seconds
            samples += [(start, power), (end, power)]
    return samples


def _curve(samples: list[Sample]) -> MeterCurve | None:
    start, end = samples[0][0], samples[-1][0]
    highest_at, highest = max(samples, key=lambda sample: sample[1])
    length = (end - start) // timedelta(seconds=1)
    if length <= 0 or highest <= 0:
        return None
    top = _round_up(highest)
    stride = -(-len(samples) // MOST_POINTS)
    shown = [*samples[:-1:stride], samples[-1]]
    points = [
        (
            ((at - start) // timedelta(seconds=1)) * WIDTH // length,
            HEIGHT - int(max(power, Decimal(0)) * HEIGHT / top),
        )
        for at, power in shown
    ]
    line = " ".join(f"{x},{y}" for x, y in points)
    return MeterCurve(
        line=line,
        area=f"{points[0][0]},{HEIGHT} {line} {points[-1][0]},{HEIGHT}",
        top_w=top,
        highest_w=highest,
        highest_at=highest_at,
        starts_at=start,
        ends_at=end,
    )


def _round_up(power_w: Decimal) -> Decimal:
    """The next round number of W that holds it."""
    unit = Decimal(1).scaleb(power_w.adjusted())
    return next(unit * step for step in _ROUND_STEPS if unit * step >= power_w)
