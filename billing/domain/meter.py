"""Is the final register of a session believable? Pure."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from common.units import SECONDS_PER_HOUR

# Meters and clocks are allowed a tenth above rated power x time, and a little for very short stays.
POWER_MARGIN = Decimal("1.1")
SMALL_CHANGE_WH = Decimal(500)
# OCPP 1.6 rounds meterStop to whole Wh while meter values carry decimals.
WHOLE_WH = Decimal(1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class RegisterReading:
    """Registers in Wh. `meter_stop_wh` None: the station did not say."""

    meter_start_wh: Decimal
    last_good_wh: Decimal
    meter_stop_wh: Decimal | None
    rated_power_w: int | None
    duration: timedelta | None


@dataclass(frozen=True, slots=True)
class RegisterVerdict:
    """The register to bill by and, when it is not simply what the station said, why an operator must look."""

    meter_stop_wh: Decimal
    doubt: str = ""


def is_plausible(*, energy_wh: Decimal, rated_power_w: int | None, duration: timedelta | None) -> bool:
    """Whether a connector of this rating can have delivered that much in that time; True where either is unknown."""
    if rated_power_w is None or duration is None:
        return True
    seconds = max(duration // _SECOND, 0)
    return (energy_wh - SMALL_CHANGE_WH) * SECONDS_PER_HOUR <= rated_power_w * seconds * POWER_MARGIN


def judge_register(reading: RegisterReading) -> RegisterVerdict:
    """Accept a plausible stop register; otherwise keep the last good value and name the doubt.

    Doubts: meter_stop_missing, meter_stop_invalid (negative or below the start or the last good value),
    energy_above_rated_power.
    """
    stop = reading.meter_stop_wh
    if stop is None:
        return RegisterVerdict(reading.last_good_wh, "meter_stop_missing")
    if stop < 0 or stop < reading.meter_start_wh or stop <= reading.last_good_wh - WHOLE_WH:
        return RegisterVerdict(reading.last_good_wh, "meter_stop_invalid")
    energy_wh = stop - reading.meter_start_wh
    if not is_plausible(energy_wh=energy_wh, rated_power_w=reading.rated_power_w, duration=reading.duration):
        return RegisterVerdict(reading.last_good_wh, "energy_above_rated_power")
    return RegisterVerdict(stop)
