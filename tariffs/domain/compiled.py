"""A tariff made ready for rating: thresholds sorted, decisions remembered, words prepared.

One CompiledTariff per (digest, time zone) serves every session; it changes only by remembering more.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import NamedTuple

from common.units import kwh_to_wh
from tariffs.domain.calendar import Calendar
from tariffs.domain.ocpi import digest as digest_of
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.spec import (
    Dimension,
    Period,
    PeriodState,
    PriceComponent,
    ReservationRestriction,
    Restrictions,
    TariffSpec,
)
from tariffs.domain.words import Condition, conditions_of

FAR = datetime.max.replace(tzinfo=UTC)
NO_LIMIT = Decimal("Infinity")
MICROSECOND = timedelta(microseconds=1)
MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_HOUR = 3600 * MICROSECONDS_PER_SECOND
WH_PER_KWH = 1000

# The "element" of a choice that no element made but a named extension.
NAMED = -2
# What an unmeasured value is looked up under: it satisfies no limit.
UNKNOWN = -1
# The band of each of least power, most power, least current and most current that the tariff looks at.
Load = tuple[int, ...]
NO_LOAD: Load = ()

# The dimension that time is, by state.
TIME_DIMENSION = {
    PeriodState.CHARGING: Dimension.TIME,
    PeriodState.PARKED: Dimension.PARKING_TIME,
    PeriodState.RESERVED: Dimension.TIME,
    PeriodState.RESERVATION_EXPIRED: Dimension.TIME,
}
RESERVATION_STATES = frozenset({PeriodState.RESERVED, PeriodState.RESERVATION_EXPIRED})


# An exact number as numerator and denominator, not reduced: Fraction reduces after every step, which costs.
Ratio = tuple[int, int]


class Skipped(NamedTuple):
    """An earlier element that also prices the dimension, and the conditions of it that did not hold."""

    element: int
    unmet: tuple[Condition, ...]


class Choice(NamedTuple):
    """Which element prices a dimension, and why the ones before it do not. No component: the dimension is free.

    A named price is NAMED as `element` and says in `named` why it applies; it may have a component and yet be free.
    is_priced: the quantity is billed, and so counts for `step_size`.
    """

    element: int
    component: PriceComponent | None
    unit_rate: Ratio
    skipped: tuple[Skipped, ...]
    named: tuple[Condition, ...] = ()
    is_priced: bool = True


class Decision(NamedTuple):
    """What applies in one combination of circumstances. A Choice is None where the tariff has no such price."""

    energy: Choice | None
    time: Choice | None
    flat: Choice | None


class Edge(NamedTuple):
    """From this moment on, this calendar mask, this band of durations and these named prices (0: none)."""

    at: datetime
    calendar: int
    duration: int
    named: int = 0


class Limits:
    """All elements' limits on one quantity: a value falls into a band, a band has a mask of the elements it satisfies.

    A `least` limit is met by values at or above it, a `most` limit by values below it.
    """

    __slots__ = ("edges", "masks", "unknown")

    def __init__(self, least: Sequence[Decimal | int | None], most: Sequence[Decimal | int | None]) -> None:
        self.edges = sorted({limit for limit in (*least, *most) if limit is not None})
        # A value in band n is at or above edges[n - 1] and below edges[n].
        self.masks = [
            self._mask(least, most, self.edges[band - 1] if band else None) for band in range(len(self.edges) + 1)
        ]
        self.unknown = sum(
            1 << index
            for index, (low, high) in enumerate(zip(least, most, strict=True))
            if low is None and high is None
        )

    @staticmethod
    def _mask(
        least: Sequence[Decimal | int | None], most: Sequence[Decimal | int | None], floor: Decimal | int | None
    ) -> int:
        mask = 0
        for index, (low, high) in enumerate(zip(least, most, strict=True)):
            above = low is None or (floor is not None and floor >= low)
            below = high is None or floor is None or floor < high
            mask |= (above and below) << index
        return mask

    def mask(self, band: int) -> int:
        return self.unknown if band == UNKNOWN else self.masks[band]


class CompiledTariff:
    """See the module. `spec`, `digest` and `time_zone` identify it; the rest serves `rating`."""

    def __init__(self, spec: TariffSpec, digest: str, time_zone: str) -> None:
        self.spec = spec
        self.digest = digest
        self.time_zone = time_zone
        restrictions = [element.restrictions for element in spec.elements]
        nothing: list[None] = [None] * len(restrictions)
        self._calendar = Calendar([*restrictions, *_free_hours(spec)], time_zone)
        self._energy = Limits(
            [_wh(restriction.min_kwh) for restriction in restrictions],
            [_wh(restriction.max_kwh) for restriction in restrictions],
        )
        self._duration = Limits([r.min_duration for r in restrictions], [r.max_duration for r in restrictions])
        # A lower limit is held against the lowest value of a period, an upper limit against its highest.
        power = (
            _LoadLimits("power", "min_power_kw", Limits([r.min_power for r in restrictions], nothing)),
            _LoadLimits("power", "max_power_kw", Limits(nothing, [r.max_power for r in restrictions])),
        )
        current = (
            _LoadLimits("current", "min_current_a", Limits([r.min_current for r in restrictions], nothing)),
            _LoadLimits("current", "max_current_a", Limits(nothing, [r.max_current for r in restrictions])),
        )
        self._loads = tuple(load for load in (*power, *current) if load.limits.edges)
        self._conditions = [conditions_of(restriction) for restriction in restrictions]
        self._decisions: dict[tuple[int, int, int, Load, PeriodState], Decision] = {}
        self.energy_edges: tuple[Decimal, ...] = tuple(Decimal(edge) for edge in self._energy.edges)
        self.duration_edges = tuple(timedelta(seconds=int(edge)) for edge in self._duration.edges)
        self.power_edges = _all_edges(power)
        self.current_edges = _all_edges(current)

    def loads(self, periods: Sequence[Period]) -> Iterable[Load]:
        """The load bands of each period."""
        if not self._loads:
            return repeat(NO_LOAD)
        return zip(*[load.bands(periods) for load in self._loads], strict=True)

    def edges(self, clock_at: datetime, end_at: datetime) -> list[Edge]:
        """Every moment in [clock_at, end_at) at which the local clock or the time since `clock_at` changes a price."""
        calendar = self._calendar.edges(clock_at, end_at)
        if not self.duration_edges:
            return [Edge(at, mask, 0) for at, mask in calendar]
        moments = dict(calendar)
        durations = [clock_at + edge for edge in self.duration_edges]
        for at in durations:
            if at < end_at:
                moments.setdefault(at, UNKNOWN)
        edges: list[Edge] = []
        mask = calendar[0][1]
        for at in sorted(moments):
            if moments[at] != UNKNOWN:
                mask = moments[at]
            edges.append(Edge(at, mask, bisect_right(durations, at)))
        return edges

    def decide(self, edge: Edge, energy: int, load: Load, state: PeriodState) -> Decision:
        """The decision for one combination; worked out once."""
        key = (edge.calendar, edge.duration, energy, load, state)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._decisions[key] = self._decide(edge.calendar, edge.duration, energy, load, state)
        return decision

    def _decide(self, calendar: int, duration: int, energy: int, load: Load, state: PeriodState) -> Decision:
        held = {
            "calendar": calendar,
            "duration": self._duration.mask(duration),
            "energy": self._energy.mask(energy),
            "power": -1,
            "current": -1,
            "state": -1,  # `order` holds only elements for this state
        }
        for load_limits, band in zip(self._loads, load, strict=True):
            held[load_limits.subject] &= load_limits.limits.mask(band)
        order = self._order(state)
        reserved = state in RESERVATION_STATES
        return Decision(
            energy=None if reserved else self._choose(Dimension.ENERGY, order, held),
            time=self._choose(TIME_DIMENSION[state], order, held),
            flat=self._choose(Dimension.FLAT, order, held),
        )

    def _order(self, state: PeriodState) -> list[int]:
        """The elements to try. An expired reservation tries what prices expiry first, then what prices reserving."""
        wanted: tuple[ReservationRestriction | None, ...] = (None,)
        if state is PeriodState.RESERVED:
            wanted = (ReservationRestriction.RESERVATION,)
        elif state is PeriodState.RESERVATION_EXPIRED:
            wanted = (ReservationRestriction.RESERVATION_EXPIRES, ReservationRestriction.RESERVATION)
        return [
            index
            for kind in wanted
            for index, element in enumerate(self.spec.elements)
            if element.restrictions.reservation is kind
        ]

    def _choose(self, dimension: Dimension, order: Sequence[int], held: dict[str, int]) -> Choice | None:
        skipped: list[Skipped] = []
        for index in order:
            component = self.spec.elements[index].component(dimension)
            if component is None:
                continue
            unmet = tuple(
                condition for condition in self._conditions[index] if not held[condition.subject] >> index & 1
            )
            if not unmet:
                return Choice(index, component, unit_rate(component), tuple(skipped))
            skipped.append(Skipped(index, unmet))
        return Choice(-1, None, (0, 1), tuple(skipped), is_priced=False) if skipped else None

    def conditions(self, element: int) -> tuple[Condition, ...]:
        """Every condition of an element, in words; all of them held where it was chosen."""
        return self._conditions[element]


@dataclass(frozen=True, slots=True)
class _LoadLimits:
    """The limits on one of a period's load values, and the band an idle period is in: it draws nothing."""

    subject: str
    attribute: str
    limits: Limits

    def bands(self, periods: Sequence[Period]) -> list[int]:
        """Runs once per period of a session, so nothing but C where all values are stated."""
        try:
            return list(map(bisect_right, repeat(self.limits.edges), map(attrgetter(self.attribute), periods)))
        except TypeError:  # None, not stated
            return [self._band(period) for period in periods]

    def _band(self, period: Period) -> int:
        value = getattr(period, self.attribute)
        if value is not None:
            return bisect_right(self.limits.edges, value)
        if period.state is not PeriodState.CHARGING:
            return bisect_right(self.limits.edges, 0)
        if self.subject == "current":
            return UNKNOWN
        hours = Fraction((period.end_at - period.start_at) // MICROSECOND, MICROSECONDS_PER_HOUR)
        power_kw = Fraction(period.energy_wh) / WH_PER_KWH / hours if hours else Fraction(0)
        return bisect_right(self.limits.edges, power_kw)


def _free_hours(spec: TariffSpec) -> tuple[Restrictions, ...]:
    """The hours without an idle fee as one more restriction on the calendar; its bit follows the elements'."""
    idle = spec.extensions and spec.extensions.idle
    if not idle or idle.free_from is None:
        return ()
    return (Restrictions(start_time=idle.free_from, end_time=idle.free_until),)


def _all_edges(loads: Sequence[_LoadLimits]) -> tuple[Decimal, ...]:
    return tuple(sorted({Decimal(edge) for load in loads for edge in load.limits.edges}))


def _wh(limit_kwh: Decimal | None) -> Decimal | None:
    return None if limit_kwh is None else kwh_to_wh(limit_kwh)


def unit_rate(component: PriceComponent) -> Ratio:
    """The price of one Wh, one microsecond, or once."""
    numerator, denominator = component.price.as_integer_ratio()
    if component.dimension is Dimension.ENERGY:
        return numerator, denominator * WH_PER_KWH
    if component.dimension is Dimension.FLAT:
        return numerator, denominator
    return numerator, denominator * MICROSECONDS_PER_HOUR


@lru_cache(maxsize=2048)
def compile_tariff(spec: TariffSpec, time_zone: str) -> CompiledTariff:
    """The compiled form of `spec` where `time_zone` (IANA name) is kept; built once per tariff and zone.

    Raises ZoneInfoNotFoundError for an unknown zone.
    """
    return CompiledTariff(spec, digest_of(spec), time_zone)


@lru_cache(maxsize=2048)
def compile_document(document: str, time_zone: str) -> CompiledTariff:
    """The same from OCPI JSON text, read once per text and zone. Raises BadInput."""
    return compile_tariff(parse_tariff_text(document), time_zone)
