"""A session nobody has had yet, as charging periods: what quotes, price cards and what-ifs are priced with."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from common.errors import BadInput
from tariffs.domain.spec import Period, PeriodState

# Longer than any vehicle stands; keeps a mistyped figure from asking for years of clock changes.
MOST_SECONDS = 31 * 24 * 3600
MOST_WH = Decimal(100_000_000)


def assumed_periods(
    *,
    start_at: datetime,
    energy_wh: Decimal,
    charging_seconds: int,
    parked_seconds: int = 0,
    power_kw: Decimal | None = None,
) -> list[Period]:
    """Charging from `start_at` for `charging_seconds`, then parking for `parked_seconds`; never empty.

    The energy flows evenly while charging. `power_kw`: what conditions on power are held against; without it the
    average of the energy. The current is not assumed, so elements with a condition on it do not apply.
    Raises BadInput naming every value a session cannot have.
    """
    details = []
    if start_at.tzinfo is None:
        details.append("start_at: must say its offset from UTC")
    if not (energy_wh.is_finite() and 0 <= energy_wh <= MOST_WH):
        details.append("energy_wh: must be from 0 to 100000 kWh")
    for name, seconds in (("charging_seconds", charging_seconds), ("parked_seconds", parked_seconds)):
        if not 0 <= seconds <= MOST_SECONDS:
            details.append(f"{name}: must be from 0 to 31 days")
    if energy_wh.is_finite() and energy_wh > 0 and charging_seconds == 0:
        details.append("charging_seconds: must be above 0, energy takes time to flow")
    if power_kw is not None and not (power_kw.is_finite() and power_kw >= 0):
        details.append("power_kw: must be at least 0")
    if details:
        raise BadInput("No session can be like this.", details=details)
    start_at = start_at.astimezone(UTC)
    charged_at = start_at + timedelta(seconds=charging_seconds)
    periods = []
    if charging_seconds or not parked_seconds:
        periods.append(Period(start_at, charged_at, PeriodState.CHARGING, energy_wh, power_kw, power_kw))
    if parked_seconds:
        periods.append(Period(charged_at, charged_at + timedelta(seconds=parked_seconds), PeriodState.PARKED))
    return periods
