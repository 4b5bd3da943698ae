"""Vehicles that charge: power over state of charge, energy in a battery. Pure; energy in Wh, power in W."""

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_SECONDS_PER_HOUR: Final = Decimal(3600)
# (battery Wh, AC charger W, DC peak W) of cars people drive.
_MODELS: Final = (
    (38_000, 7_400, 50_000),
    (52_000, 22_000, 130_000),
    (58_000, 11_000, 120_000),
    (77_000, 11_000, 175_000),
    (82_000, 11_000, 250_000),
    (93_000, 11_000, 270_000),
)
# DC: full power up to here, then in a straight line down to a fifth at the top.
_DC_KNEE: Final = Decimal("0.55")
_DC_TAIL: Final = Decimal("0.20")
# AC: the battery only slows the charger at the very end.
_AC_KNEE: Final = Decimal("0.97")


@dataclass
class Vehicle:
    battery_wh: int
    ac_power_w: int
    dc_power_w: int
    stored_wh: Decimal
    full_at: Decimal

    @property
    def soc_percent(self) -> Decimal:
        return (self.stored_wh / self.battery_wh * 100).quantize(Decimal("0.1"))

    @property
    def is_full(self) -> bool:
        return self.stored_wh >= self.battery_wh * self.full_at

    def power_w(self, *, is_dc: bool, rated_w: int) -> int:
        """What the vehicle draws from a connector of this rating now; 0 when it has what it wants."""
        if self.is_full:
            return 0
        filled = self.stored_wh / self.battery_wh
        knee, most = (_DC_KNEE, self.dc_power_w) if is_dc else (_AC_KNEE, self.ac_power_w)
        share = Decimal(1) if filled <= knee else 1 - (filled - knee) / (1 - knee) * (1 - _DC_TAIL)
        return int(min(Decimal(rated_w), most * share))

    def charge(self, *, power_w: int, seconds: Decimal) -> Decimal:
        """Take energy for a while; returns the Wh that went through the meter."""
        wanted = self.battery_wh * self.full_at - self.stored_wh
        energy_wh = min(power_w * seconds / _SECONDS_PER_HOUR, max(wanted, Decimal(0)))
        self.stored_wh += energy_wh
        return energy_wh


def arriving_vehicle(chance: random.Random) -> Vehicle:
    """Some car with some charge left; one in four is nearly full already and will soon only occupy the place."""
    battery_wh, ac_power_w, dc_power_w = chance.choice(_MODELS)
    full_at = chance.choice([Decimal("0.8"), Decimal("0.9"), Decimal(1)])
    filled = full_at - Decimal("0.02") if chance.random() < 0.25 else Decimal(chance.randint(8, 55)) / 100
    return Vehicle(battery_wh, ac_power_w, dc_power_w, stored_wh=battery_wh * filled, full_at=full_at)
