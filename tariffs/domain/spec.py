"""What a tariff says: frozen values shaped like the OCPI Tariff object, without its wire format.

What OCPI has no words for stands apart in `TariffSpec.extensions`.

Source: OCPI 2.2.1 and 2.3.0, Tariffs module. Prices are Decimal, never float; energy prices are per kWh, time prices
per hour; `step_size` is in Wh or seconds; limits in a restriction are inclusive below and exclusive above.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum

from tariffs.domain.extensions import Extensions


class Dimension(StrEnum):
    """What a price component prices (OCPI TariffDimensionType)."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"


class TaxIncluded(StrEnum):
    """Whether the tariff's prices hold the tax already (OCPI 2.3.0 TaxIncluded; 2.2.1 is always NO)."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "N/A"


class ReservationRestriction(StrEnum):
    """Which kind of reservation an element prices (OCPI ReservationRestrictionType)."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """The price of one dimension.

    price: per kWh, per hour or once (FLAT), with or without tax as the tariff's `tax_included` says.
    vat_percent: 20 means 20 %. None means the tariff states no rate, which is not the same as 0 %.
    step_size: billing block in Wh or seconds; 0 or FLAT: no blocks.
    """

    dimension: Dimension
    price: Decimal
    vat_percent: Decimal | None = None
    step_size: int = 1


@dataclass(frozen=True, slots=True)
class Restrictions:
    """When an element is active during a session. All that is set must match at once; nothing set: always.

    Times and dates are local to the Location. `end_time` before `start_time` wraps past midnight, 00:00 as `end_time`
    is the end of the day, `end_date` is exclusive. `days` are ISO weekdays (1 Monday ... 7 Sunday), empty: every day.
    Energy in kWh, durations in whole seconds since the session began, power in kW, current in A over all phases.
    """

    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    days: frozenset[int] = frozenset()
    reservation: ReservationRestriction | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """Price components that share their restrictions. At most one component per dimension."""

    components: tuple[PriceComponent, ...]
    restrictions: Restrictions = Restrictions()

    def component(self, dimension: Dimension) -> PriceComponent | None:
        """The component that prices `dimension` here, if any."""
        return next((component for component in self.components if component.dimension is dimension), None)


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """A lower or upper limit of a session's total, before (`net`) and after tax (`gross`), each optional."""

    net: Decimal | None = None
    gross: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TariffSpec:
    """One immutable tariff: the order of `elements` is the order in which they are tried.

    Everything here decides a price or when the tariff may be used; names, texts and links live with the model.
    """

    currency: str
    elements: tuple[Element, ...]
    tax_included: TaxIncluded = TaxIncluded.NO
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    extensions: Extensions | None = None


class PeriodState(StrEnum):
    """What the person used the station for during a period.

    PARKED is the vehicle not asking for power. A station that throttles (SuspendedEVSE) leaves the period CHARGING.
    """

    CHARGING = "CHARGING"
    PARKED = "PARKED"
    RESERVED = "RESERVED"
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of a session in one state, during which energy flows evenly. Half-open: [start_at, end_at).

    `start_at`, `end_at` are aware UTC. `energy_wh` is the Wh delivered during the period, not a register. The lowest
    and highest power (kW) and current (A over all phases) are None where nobody measured them: power is then the
    average of the energy, current is unknown; while nothing charges both are 0.
    Raises ValueError for a moment that is not UTC, an end before the start or negative energy.
    """

    start_at: datetime
    end_at: datetime
    state: PeriodState = PeriodState.CHARGING
    energy_wh: Decimal = Decimal(0)
    min_power_kw: Decimal | None = None
    max_power_kw: Decimal | None = None
    min_current_a: Decimal | None = None
    max_current_a: Decimal | None = None

    def __post_init__(self) -> None:
        # Arithmetic on local datetimes of one zone ignores clock changes, so nothing but UTC gets in.
        if self.start_at.tzinfo is not UTC or self.end_at.tzinfo is not UTC:
            raise ValueError("a period's moments are aware UTC")
        if self.end_at < self.start_at:
            raise ValueError("a period cannot end before it starts")
        if self.energy_wh < 0:
            raise ValueError("a period's energy cannot be negative")
