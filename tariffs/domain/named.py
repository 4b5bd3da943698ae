"""The named prices of a tariff - free start, idle rules, tiers, spot - laid over what its elements decide.

Per tariff they are prepared once; per session they become edges of time and energy beside the tariff's own, so one walk
over the periods serves both.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from common.errors import BadInput
from common.units import kwh_to_wh
from tariffs.domain.compiled import NAMED, Choice, CompiledTariff, Decision, Edge, Load, unit_rate
from tariffs.domain.extensions import EnergyTiers, Extensions, TierPeriod
from tariffs.domain.fees import Fees
from tariffs.domain.result import RatingInputs
from tariffs.domain.spec import Dimension, Period, PeriodState, PriceComponent
from tariffs.domain.spot import MOST_CACHED_CHOICES, SpotChoices, SpotPrice
from tariffs.domain.words import Condition, clock_range, number_text

ZERO = Decimal(0)
# What an edge's `named` says: two flags, then the number of the spot choice.
FREE_TIME = 1
IN_GRACE = 2
SPOT_SHIFT = 2
FLAGS = (1 << SPOT_SHIFT) - 1

# Energy beyond the last tier that nothing else prices is free, and the result says so.
BEYOND_TIERS = Choice(-1, None, (0, 1), (), is_priced=False)

# A band of energy: the tariff's own band, the tier (None: beyond the last, or none), and whether it is free.
_Band = tuple[int, int | None, bool]
# What a decision depends on: the tariff's own and the market price, each by its id, then flags, tier, and whether free.
_Key = tuple[int, int, int, int | None, bool]


class NamedPrices:
    """See the module. Holds nothing of a session; remembers what it has decided."""

    def __init__(self, tariff: CompiledTariff, extensions: Extensions) -> None:
        self.tariff = tariff
        self.free_wh = ZERO
        self.free_time = timedelta(0)
        self.grace = timedelta(0)
        self.has_free_hours = False
        free, idle = extensions.free, extensions.idle
        if free is not None:
            self.free_wh = kwh_to_wh(free.kwh or ZERO)
            self.free_time = timedelta(minutes=free.minutes or 0)
        if idle is not None:
            self.grace = timedelta(minutes=idle.grace_minutes)
            self.has_free_hours = idle.free_from is not None
        self.free_energy_why = Condition("free_energy", "energy", f"first {_kwh(self.free_wh)} free")
        self.free_time_why = Condition("free_time", "duration", f"first {_minutes(self.free_time)} free")
        self.grace_why = Condition("idle_grace", "idle", f"{_minutes(self.grace)} after charging ended")
        self.free_hours_why = Condition(
            "idle_free_hours",
            "calendar",
            "" if idle is None else f"no idle fee {clock_range(idle.free_from, idle.free_until)}",
        )
        self.per_month = extensions.energy_tiers is not None and extensions.energy_tiers.per is TierPeriod.MONTH
        self.tiers = tuple(_tiers(extensions.energy_tiers))
        self.spot = None if extensions.spot is None else SpotChoices(extensions.spot, tariff.time_zone)
        self.fees = Fees(tariff.spec)
        self._session_bands = self._bands(ZERO)
        self.decisions: dict[_Key, tuple[Decision, Choice | None]] = {}

    def inputs(self, spot_prices: Sequence[SpotPrice], month_to_date_wh: Decimal | None) -> RatingInputs:
        """Those of the caller's values that the price depends on. Raises BadInput where one is missing or wrong."""
        if not self.per_month:
            month_to_date_wh = None
        elif month_to_date_wh is None or month_to_date_wh < 0:
            raise BadInput(
                "The price depends on the energy used this month. Give the kWh used before this session.",
                details=["month_to_date_wh: must be given and at least 0"],
            )
        return RatingInputs(tuple(spot_prices) if self.spot else (), month_to_date_wh)

    def terms(self, periods: Sequence[Period], inputs: RatingInputs) -> "SessionTerms":
        """For the periods of one session proper."""
        bands = self._session_bands
        if inputs.month_to_date_wh is not None:
            bands = self._bands(inputs.month_to_date_wh)
        return SessionTerms(self, periods, inputs, *bands)

    def remember(self, key: _Key, decision: Decision, spot: Choice | None) -> tuple[Decision, Choice | None]:
        """Keep a decision for the sessions to come, and with it the market price its key names."""
        if len(self.decisions) >= MOST_CACHED_CHOICES:
            self.decisions.clear()
        known = self.decisions[key] = (decision, spot)
        return known

    def _bands(self, used_wh: Decimal) -> tuple[tuple[Decimal, ...], list[_Band]]:
        """Where the price of energy may change in a session before which `used_wh` counted for the tiers."""
        own = self.tariff.energy_edges
        tops = [None if top is None else top - used_wh for top, _ in self.tiers]
        edges = tuple(sorted({*own, self.free_wh, *(top for top in tops if top is not None and top > 0)} - {ZERO}))
        if own and not own[0]:
            edges = (ZERO, *edges)
        bands: list[_Band] = []
        for floor in (None, *edges):
            at = floor or ZERO
            tier = next((index for index, top in enumerate(tops) if top is None or top > at), None)
            bands.append((0 if floor is None else bisect_right(own, at), tier, at < self.free_wh))
        return edges, bands


class SessionTerms:
    """A tariff with its named prices as they stand in one session (phase.Terms)."""

    def __init__(
        self,
        named: NamedPrices,
        periods: Sequence[Period],
        inputs: RatingInputs,
        energy_edges: tuple[Decimal, ...],
        bands: Sequence[_Band],
    ) -> None:
        self.energy_edges = energy_edges
        self._named = named
        self._tariff = named.tariff
        self._periods = periods
        self._spot_prices = inputs.spot_prices
        self._bands = bands
        self._free_hours_bit = len(named.tariff.spec.elements)
        self._spot: list[Choice] = []

    def loads(self, periods: Sequence[Period]) -> Iterable[Load]:
        return self._tariff.loads(periods)

    def edges(self, clock_at: datetime, end_at: datetime) -> Sequence[Edge]:
        """The tariff's own edges, and one wherever a named price begins or ends."""
        own = self._tariff.edges(clock_at, end_at)
        changes = sorted(self._changes(clock_at, end_at))
        if not changes:
            return own
        edges: list[Edge] = []
        named = position = 0
        for index, (at, calendar, duration, _) in enumerate(own):
            until = own[index + 1].at if index + 1 < len(own) else None
            while position < len(changes) and (until is None or changes[position][0] < until):
                change_at, kept, added = changes[position]
                if change_at > at:
                    edges.append(Edge(at, calendar, duration, named))
                    at = change_at
                named = named & kept | added
                position += 1
            edges.append(Edge(at, calendar, duration, named))
        return edges

    def _changes(self, start_at: datetime, end_at: datetime) -> Iterator[tuple[datetime, int, int]]:
        """(moment, bits kept, bits added): every change of what an edge's `named` says until `end_at`."""
        named = self._named
        if named.free_time:
            yield start_at, ~FREE_TIME, FREE_TIME
            if start_at + named.free_time <= end_at:
                yield start_at + named.free_time, ~FREE_TIME, 0
        if named.grace:
            for begin, end in _grace(self._periods, named.grace):
                yield begin, ~IN_GRACE, IN_GRACE
                if end <= end_at:
                    yield end, ~IN_GRACE, 0
        if named.spot is not None:
            for number, (at, choice) in enumerate(named.spot.between(self._spot_prices, start_at, end_at)):
                self._spot.append(choice)
                yield at, FLAGS, number << SPOT_SHIFT

    def decide(self, edge: Edge, energy: int, load: Load, state: PeriodState) -> Decision:
        own_band, tier, is_free = self._bands[energy]
        own = self._tariff.decide(edge, own_band, load, state)
        spot = self._spot[edge.named >> SPOT_SHIFT] if self._spot else None
        # The calendar and the state are in the tariff's own decision; what is known by its id is kept beside it.
        key = (id(own), id(spot), edge.named & FLAGS, tier, is_free)
        known = self._named.decisions.get(key)
        if known is None:
            decision = Decision(
                self._energy(own.energy, spot, tier, is_free=is_free), self._time(own.time, edge, state), own.flat
            )
            known = self._named.remember(key, decision, spot)
        return known[0]

    def _energy(self, own: Choice | None, spot: Choice | None, tier: int | None, *, is_free: bool) -> Choice | None:
        choice = own
        if tier is not None:
            choice = self._named.tiers[tier][1]
        elif spot is not None:
            choice = spot
        elif own is None and self._named.tiers:
            choice = BEYOND_TIERS
        return _freed(choice, self._named.free_energy_why) if is_free else choice

    def _time(self, own: Choice | None, edge: Edge, state: PeriodState) -> Choice | None:
        if edge.named & FREE_TIME:
            return _freed(own, self._named.free_time_why)
        if state is PeriodState.PARKED:
            if edge.named & IN_GRACE:
                return _freed(own, self._named.grace_why)
            if self._named.has_free_hours and edge.calendar >> self._free_hours_bit & 1:
                return _freed(own, self._named.free_hours_why)
        return own


@lru_cache(maxsize=2048)
def named_prices(tariff: CompiledTariff) -> NamedPrices:
    """The named prices of a tariff, prepared once."""
    return NamedPrices(tariff, tariff.spec.extensions or Extensions())


def _freed(choice: Choice | None, why: Condition) -> Choice | None:
    """The same at no price; what nobody prices stays as it is."""
    if choice is None or choice.component is None:
        return choice
    component = PriceComponent(choice.component.dimension, ZERO, choice.component.vat_percent, step_size=0)
    return Choice(NAMED, component, (0, 1), (), (why,), is_priced=False)


def _tiers(tiers: EnergyTiers | None) -> Iterator[tuple[Decimal | None, Choice]]:
    """The Wh at which each tier ends, and its choice."""
    if tiers is None:
        return
    low = ZERO
    for tier in tiers.tiers:
        component = PriceComponent(Dimension.ENERGY, tier.price, tiers.vat_percent, step_size=0)
        high = "" if tier.up_to_kwh is None else f"–{number_text(tier.up_to_kwh)}"
        words = f"{number_text(low)}{high} kWh of the {tiers.per.value.lower()}"
        if not high:
            words = f"from {words}"
        why = Condition("tier", "energy", words)
        top = None if tier.up_to_kwh is None else kwh_to_wh(tier.up_to_kwh)
        yield top, Choice(NAMED, component, unit_rate(component), (), (why,))
        low = tier.up_to_kwh or low


def _grace(periods: Sequence[Period], grace: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """The free stretches after the vehicle stopped asking for power; periods in which nothing happened do not count."""
    begin: datetime | None = None
    end: datetime | None = None
    is_parked = False
    for period in periods:
        parked = period.state is PeriodState.PARKED
        if parked is is_parked or (period.start_at == period.end_at and not period.energy_wh):
            continue
        is_parked = parked
        if parked:
            if begin is not None and end is not None and period.start_at > end:
                yield begin, end
                begin = None
            begin, end = begin or period.start_at, period.start_at + grace
    if begin is not None and end is not None:
        yield begin, end


def _kwh(wh: Decimal) -> str:
    return f"{number_text(wh / 1000)} kWh"


def _minutes(length: timedelta) -> str:
    return f"{length // timedelta(minutes=1)} min"
