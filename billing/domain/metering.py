"""A session's meter values as what the rating engine takes: periods. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from billing.domain.meter import is_plausible
from tariffs.domain.compiled import CompiledTariff
from tariffs.domain.spec import Period, PeriodState
from tariffs.domain.timeline import MeterSample, StateChange, build_periods

ENERGY, POWER, CURRENT, CHARGING = "energy_wh", "power_w", "current_a", "charging"
# What a price can depend on; everything else a station measures is kept and not rated.
RATED_MEASURANDS = (ENERGY, POWER, CURRENT, CHARGING)


class Reading(NamedTuple):
    """One stored sample over all phases, in the unit of its measurand."""

    at: datetime
    measurand: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Metered:
    """What was measured of a session: moments in aware UTC, registers in Wh, `readings` in time order.

    `stopped_at` is when charging ended, `ended_at` when the vehicle left; `meter_stop_wh` None: still running, or the
    station never said.
    """

    started_at: datetime
    ended_at: datetime
    stopped_at: datetime | None
    meter_start_wh: Decimal
    meter_stop_wh: Decimal | None
    readings: Sequence[Reading] = ()
    rated_power_w: int | None = None


def periods_of(tariff: CompiledTariff, metered: Metered) -> tuple[Period, ...]:
    """The session as charging periods.

    A register that falls back, passes the final one or is beyond what the connector's rating allows is left out, not
    billed.

    Power and current are only looked at where a price depends on them. Raises BadInput where the ends do not fit.
    """
    end_at = metered.ended_at
    until = min(metered.stopped_at, end_at) if metered.stopped_at is not None else end_at
    loads = _loads(metered.readings) if tariff.power_edges or tariff.current_edges else {}
    samples = [MeterSample(metered.started_at, metered.meter_start_wh)]
    states: list[StateChange] = []
    register_wh, most_wh = metered.meter_start_wh, metered.meter_stop_wh
    for reading in metered.readings:
        if reading.measurand == CHARGING:
            at = max(reading.at, metered.started_at)
            states.append(StateChange(at, PeriodState.CHARGING if reading.value else PeriodState.PARKED))
        elif (
            reading.measurand == ENERGY
            and metered.started_at <= reading.at <= until
            and register_wh <= reading.value
            and (most_wh is None or reading.value <= most_wh)
            and is_plausible(
                energy_wh=reading.value - metered.meter_start_wh,
                rated_power_w=metered.rated_power_w,
                duration=reading.at - metered.started_at,
            )
        ):
            register_wh = reading.value
            samples.append(MeterSample(reading.at, register_wh, *loads.get(reading.at, (None, None))))
    if most_wh is not None:
        samples.append(MeterSample(until, most_wh))
    return build_periods(tariff, started_at=metered.started_at, ended_at=end_at, samples=samples, states=states)


def _loads(readings: Iterable[Reading]) -> dict[datetime, tuple[Decimal | None, Decimal | None]]:
    """Power (W) and current (A) by moment."""
    loads: dict[datetime, tuple[Decimal | None, Decimal | None]] = {}
    for reading in readings:
        power, current = loads.get(reading.at, (None, None))
        if reading.measurand == POWER:
            loads[reading.at] = (reading.value, current)
        elif reading.measurand == CURRENT:
            loads[reading.at] = (power, reading.value)
    return loads
