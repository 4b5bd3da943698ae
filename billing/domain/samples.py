"""What a station reports while a session runs, in our values."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class MeterSample:
    """One sample of one measurand.

    measurand: "energy_wh" (the import register), "power_w", "current_a", "voltage_v", "soc_percent" or "charging"
    (1: the vehicle draws or waits for power, 0: it requests none). value is in that unit. occurred_at is the
    station's clock corrected by its known offset, reported_at what it said; both aware UTC.
    """

    occurred_at: datetime
    reported_at: datetime
    measurand: str
    value: Decimal
    phase: str = ""
    context: str = ""
