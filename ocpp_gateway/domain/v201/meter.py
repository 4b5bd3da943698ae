"""Meter values as OCPP 2.0.1 writes them (2.0.1 part 2, 2.32 and 2.49). Pure.

What is kept, and in which unit, is decided in `domain.values` for every version. Here a value is a number, its unit and
power of ten stand in `unitOfMeasure`, and signed data beside the value.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from billing.domain.samples import MeterSample
from ocpp_gateway.domain.values import DEFAULT_MEASURAND, read_moment, sample_of

# Powers of ten beyond this belong to no meter.
_LARGEST_POWER: Final = 9
BEGIN: Final = "Transaction.Begin"
_ENERGY: Final = "energy_wh"


def read_samples(
    meter_values: Iterable[Mapping[str, Any]], *, received_at: datetime, clock_offset: timedelta = timedelta(0)
) -> tuple[MeterSample, ...]:
    """The samples of a meterValue list, in our units, at the outlet."""
    samples: list[MeterSample] = []
    for entry in meter_values:
        moment = read_moment(entry.get("timestamp"), received_at=received_at, clock_offset=clock_offset)
        for sampled in entry.get("sampledValue") or ():
            unit = sampled.get("unitOfMeasure") or {}
            multiplier = _power_of_ten(unit.get("multiplier", 0))
            sample = multiplier and sample_of(
                moment,
                value=sampled.get("value"),
                measurand=sampled.get("measurand", DEFAULT_MEASURAND),
                unit=unit.get("unit", ""),
                location=sampled.get("location", "Outlet"),
                phase=sampled.get("phase", ""),
                context=sampled.get("context", ""),
                multiplier=multiplier,
            )
            if sample:
                samples.append(sample)
    return tuple(samples)


def first_register(samples: Iterable[MeterSample]) -> MeterSample | None:
    """The energy register a transaction began with: the one that says so, else the earliest."""
    registers = sorted(_registers(samples), key=lambda sample: sample.occurred_at)
    return next((sample for sample in registers if sample.context == BEGIN), registers[0] if registers else None)


def last_register(samples: Iterable[MeterSample]) -> MeterSample | None:
    """The latest energy register."""
    return max(_registers(samples), key=lambda sample: (sample.occurred_at, sample.value), default=None)


def begin_register(samples: Iterable[MeterSample]) -> MeterSample | None:
    """The energy register that says that the transaction began with it."""
    first = first_register(samples)
    return first if first is not None and first.context == BEGIN else None


def _registers(samples: Iterable[MeterSample]) -> list[MeterSample]:
    return [sample for sample in samples if sample.measurand == _ENERGY and not sample.phase]


def _power_of_ten(power: Any) -> Decimal | None:
    if not isinstance(power, int) or abs(power) > _LARGEST_POWER:
        return None
    return Decimal(10) ** power
