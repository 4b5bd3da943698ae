"""Units of energy, power and time. Energy is exact Wh (`Decimal`) up to the Cdr; kWh appears in prices and on paper."""

from decimal import Decimal

WH_PER_KWH = Decimal(1000)
SECONDS_PER_HOUR = Decimal(3600)


def wh_to_kwh(energy_wh: Decimal) -> Decimal:
    return energy_wh / WH_PER_KWH


def kwh_to_wh(energy_kwh: Decimal) -> Decimal:
    return energy_kwh * WH_PER_KWH


def seconds_to_hours(duration_seconds: Decimal) -> Decimal:
    return duration_seconds / SECONDS_PER_HOUR
