"""What a kWh costs at every time of one week, as the engine prices it.

Each cell is priced by a session that takes all its energy within the cell. Cells in which the same elements and the
same market prices apply at the same moments are one class, and a class is rated once.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from tariffs.domain.assumed import assumed_periods
from tariffs.domain.compiled import CompiledTariff
from tariffs.domain.rating import rate
from tariffs.domain.result import CostLine, LineKind, known_sum
from tariffs.domain.spot import SpotPrice

DAYS = 7
HOUR = 60
QUARTER = 15
_DAY_MINUTES = 24 * HOUR
NOTHING_USED = Decimal(0)
_SIDES = ("net_ratio", "gross_ratio")


@dataclass(frozen=True)
class PricedTime:
    """Prices per kWh, exact; None where the VAT rate they need is unknown.

    energy: of ENERGY alone. charging: with the time that the energy takes at the assumed power. is_fallback: the market
    price is not known then and the tariff's fallback counts.
    """

    energy_net: Fraction | None
    energy_gross: Fraction | None
    charging_net: Fraction | None
    charging_gross: Fraction | None
    is_fallback: bool = False


@dataclass(frozen=True)
class Week:
    """`rows`: one per time of day, with the day's prices from `first_day` on; None where the clock skips that time."""

    first_day: date
    minutes: int
    rows: tuple[tuple[PricedTime | None, ...], ...]
    rated: int


def price_week(
    tariff: CompiledTariff,
    *,
    first_day: date,
    energy_wh: Decimal,
    power_kw: Decimal,
    minutes: int = HOUR,
    default_vat_percent: Decimal | None = None,
    spot_prices: Sequence[SpotPrice] = (),
    month_to_date_wh: Decimal = NOTHING_USED,
) -> Week:
    """Price the seven days from `first_day` on, local to the tariff's time zone, in cells of `minutes`.

    A session of `energy_wh` (above 0) at `power_kw` (above 0) stands for each cell; tiers per month go on from
    `month_to_date_wh`. `rated`: how many sessions were rated for it. An hour that comes twice is priced the first time.
    """
    zone = ZoneInfo(tariff.time_zone)
    begin = datetime.combine(first_day, time(), tzinfo=zone).astimezone(UTC)
    end = datetime.combine(first_day + timedelta(days=DAYS), time(), tzinfo=zone).astimezone(UTC)
    edges = tariff.edges(begin, end + timedelta(minutes=minutes))
    moments = [edge.at for edge in edges]
    starts = [price.start_at for price in spot_prices]
    length = timedelta(minutes=minutes)
    known: dict[tuple[object, ...], PricedTime] = {}

    def class_of(at: datetime) -> tuple[object, ...]:
        """What applies in the cell, told by offsets into it."""
        first = bisect_right(moments, at) - 1
        masks: list[tuple[timedelta, int]] = []
        for edge in edges[first : bisect_left(moments, at + length)]:
            if not masks or masks[-1][1] != edge.calendar:
                masks.append((max(edge.at - at, timedelta()), edge.calendar))
        prices = spot_prices[max(bisect_right(starts, at) - 1, 0) : bisect_left(starts, at + length)]
        spot = [
            (max(price.start_at - at, timedelta()), min(price.end_at - at, length), price.price)
            for price in prices
            if price.end_at > at
        ]
        return (tuple(masks), tuple(spot))

    def priced(at: datetime) -> PricedTime:
        key = class_of(at)
        if key not in known:
            periods = assumed_periods(
                start_at=at, energy_wh=energy_wh, charging_seconds=minutes * 60, power_kw=power_kw
            )
            rated = rate(
                tariff,
                periods,
                default_vat_percent=default_vat_percent,
                spot_prices=spot_prices,
                month_to_date_wh=month_to_date_wh,
            )
            known[key] = _per_kwh(rated.lines, energy_wh / 1000, power_kw, Fraction(minutes, HOUR))
        return known[key]

    rows = []
    for minute in range(0, _DAY_MINUTES, minutes):
        clock = time(minute // HOUR, minute % HOUR)
        row = []
        for offset in range(DAYS):
            local = datetime.combine(first_day + timedelta(days=offset), clock, tzinfo=zone)
            at = local.astimezone(UTC)
            exists = at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
            row.append(priced(at) if exists else None)
        rows.append(tuple(row))
    return Week(first_day=first_day, minutes=minutes, rows=tuple(rows), rated=len(known))


def _per_kwh(lines: Sequence[CostLine], kwh: Decimal, power_kw: Decimal, hours: Fraction) -> PricedTime:
    """The lines of a session of `kwh` that lasted `hours`; charging it at `power_kw` would last longer or shorter."""
    energy = [line for line in lines if line.kind is LineKind.ENERGY]
    timed = [line for line in lines if line.kind is LineKind.TIME]
    net, gross = (known_sum([getattr(line, side) for line in energy]) for side in _SIDES)
    time_net, time_gross = (known_sum([getattr(line, side) for line in timed]) for side in _SIDES)
    return PricedTime(
        energy_net=_share(net, kwh),
        energy_gross=_share(gross, kwh),
        charging_net=_with_time(net, time_net, kwh, power_kw, hours),
        charging_gross=_with_time(gross, time_gross, kwh, power_kw, hours),
        is_fallback=any(condition.code == "spot_fallback" for line in energy for condition in line.matched),
    )


def _share(amount: Fraction | None, kwh: Decimal) -> Fraction | None:
    return None if amount is None else amount / Fraction(kwh)


def _with_time(
    energy: Fraction | None, timed: Fraction | None, kwh: Decimal, power_kw: Decimal, hours: Fraction
) -> Fraction | None:
    if energy is None or timed is None:
        return None
    return energy / Fraction(kwh) + timed / hours / Fraction(power_kw)


def first_day_of_week(day: date) -> date:
    """The Monday of the week `day` is in."""
    return day - timedelta(days=day.weekday())
