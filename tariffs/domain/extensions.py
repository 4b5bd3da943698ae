"""What a tariff says beyond OCPI: our named extensions, kept apart from the OCPI part of the document.

Prices are per kWh or once, with or without tax as the tariff's `tax_included` says. `vat_percent` None: the tariff
states no rate, the caller's applies. Extensions price the session proper, never a reservation, except for a service fee
of its lines. Their order is written in docs/pricing.md.
"""

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from enum import StrEnum


class FeeBase(StrEnum):
    """The cost lines a percentage is taken of. TIME: charging, parking and reserved time, after the idle cap."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    ALL = "ALL"


class Needs(StrEnum):
    """Whether all or any of a fee's thresholds must be reached."""

    ALL = "ALL"
    ANY = "ANY"


class TierPeriod(StrEnum):
    """What tiers count: the energy of the session, or that of the calendar month in which it began."""

    SESSION = "SESSION"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class ServiceFee:
    """`flat` once per session and `percent` (5 means 5 %) of the cost lines `of` names; one of them at least."""

    flat: Decimal | None = None
    percent: Decimal | None = None
    of: FeeBase = FeeBase.ALL
    vat_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class IdleRules:
    """Milder PARKING_TIME: the minutes after charging ended, the hours of the day, and the amount that limit it.

    grace_minutes: free each time the vehicle stops asking for power. free_from ... free_until: local wall clock, wraps
    past midnight. max_amount: the most that parking time costs in one session.
    """

    grace_minutes: int = 0
    max_amount: Decimal | None = None
    free_from: time | None = None
    free_until: time | None = None


@dataclass(frozen=True, slots=True)
class ConnectionFee:
    """`price` once, when the session (charging and parking) has reached its thresholds; reached means at least."""

    price: Decimal
    after_minutes: int | None = None
    after_kwh: Decimal | None = None
    needs: Needs = Needs.ALL
    vat_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """`price` per kWh up to `up_to_kwh` (exclusive); None: without end."""

    price: Decimal
    up_to_kwh: Decimal | None = None


@dataclass(frozen=True, slots=True)
class EnergyTiers:
    """Graduated energy prices in rising order. Energy beyond the last tier is priced by what comes after tiers."""

    tiers: tuple[Tier, ...]
    per: TierPeriod = TierPeriod.SESSION
    vat_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FreeStart:
    """The first kWh of a session are free of ENERGY, its first minutes free of TIME and PARKING_TIME."""

    kwh: Decimal | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class SpotFormula:
    """Energy at a market price: value of `series` x factor + markup, at least `floor`, at most `cap`.

    `fallback` is the price per kWh, as it stands, while the series has no value.
    """

    series: str
    fallback: Decimal
    factor: Decimal = Decimal(1)
    markup: Decimal = Decimal(0)
    floor: Decimal | None = None
    cap: Decimal | None = None
    vat_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Extensions:
    """All of a tariff's extensions; at least one."""

    service_fee: ServiceFee | None = None
    idle: IdleRules | None = None
    connection_fee: ConnectionFee | None = None
    energy_tiers: EnergyTiers | None = None
    free: FreeStart | None = None
    spot: SpotFormula | None = None
