"""The most a session can cost that uses at most so much energy in at most so much time. Pure.

What is set aside for a session, and what a quote tells as its upper end. It is a bound, not a forecast: never below the
price of any session within the limits, whatever its states, hours and powers; never lower for more energy or time.
Taken as worst: the highest price of each dimension that can apply between the start and the end, the highest market
price known for that time (or the fallback, where a step is missing), every flat fee, no free start and no free parking.
The idle cap and the tariff's own highest price lower it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

from common.currencies import quantum
from common.units import kwh_to_wh
from tariffs.domain.compiled import CompiledTariff
from tariffs.domain.extensions import ConnectionFee, Extensions, FeeBase, Needs, ServiceFee
from tariffs.domain.limits import vat_of
from tariffs.domain.named import named_prices
from tariffs.domain.result import RoundingPolicy, VatUnknown
from tariffs.domain.spec import Dimension, PriceComponent, PriceLimit, TaxIncluded
from tariffs.domain.spot import SpotPrice

ZERO = Fraction(0)
_WH_PER_KWH = 1000
_SECONDS_PER_HOUR = 3600
_ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Most:
    """An upper bound as the tariff's prices stand, and with tax."""

    priced: Fraction = ZERO
    gross: Fraction = ZERO

    def __add__(self, other: "_Most") -> "_Most":
        return _Most(self.priced + other.priced, self.gross + other.gross)

    def times(self, factor: Fraction | int) -> "_Most":
        return _Most(self.priced * factor, self.gross * factor)


def worst_case(
    tariff: CompiledTariff,
    *,
    start_at: datetime,
    energy_wh: Decimal,
    seconds: int,
    default_vat_percent: Decimal | None,
    spot_prices: Sequence[SpotPrice] = (),
    month_to_date_wh: Decimal | None = None,
) -> Decimal:
    """The bound with tax, rounded up, for sessions from `start_at` (aware UTC) on, without a reservation.

    The other arguments as for `rate`. Raises VatUnknown where a rate is needed and nobody gave one.
    """
    bounds = _Bounds(tariff, start_at.astimezone(UTC), Fraction(energy_wh), seconds, default_vat_percent)
    energy = bounds.energy(spot_prices, month_to_date_wh or Decimal(0))
    time = bounds.time()
    flat = bounds.flat()
    extensions = tariff.spec.extensions or Extensions()
    connection = bounds.connection(extensions.connection_fee)
    of = {FeeBase.ENERGY: energy, FeeBase.TIME: time, FeeBase.ALL: energy + time + flat + connection}
    service = bounds.service(extensions.service_fee, of)
    return bounds.payable((energy + time + flat + connection + service).gross)


class _Bounds:
    def __init__(
        self,
        tariff: CompiledTariff,
        start_at: datetime,
        energy_wh: Fraction,
        seconds: int,
        default_vat_percent: Decimal | None,
    ) -> None:
        self._tariff, self._spec = tariff, tariff.spec
        self._start_at = start_at
        # Something may happen at the very end.
        self._end_at = start_at + timedelta(seconds=seconds) + _ONE_SECOND
        self._energy_wh, self._seconds = energy_wh, seconds
        self._default_vat_percent = default_vat_percent
        mask = 0
        for edge in tariff.edges(start_at, self._end_at):
            mask |= edge.calendar
        self._elements = [
            element
            for index, element in enumerate(self._spec.elements)
            if mask >> index & 1
            and element.restrictions.reservation is None
            and kwh_to_wh(element.restrictions.min_kwh or Decimal(0)) <= energy_wh
            and (element.restrictions.min_duration or 0) <= seconds
        ]

    def energy(self, spot_prices: Sequence[SpotPrice], used_wh: Decimal) -> _Most:
        components = list(self._energy_components(spot_prices, used_wh))
        return self._highest(components).times(_blocks(components, self._energy_wh) / _WH_PER_KWH)

    def _energy_components(self, spot_prices: Sequence[SpotPrice], used_wh: Decimal) -> Iterator[PriceComponent]:
        """Every price that can be the price of some of the energy."""
        if self._spec.extensions is None:
            yield from self._components(Dimension.ENERGY)
            return
        named = named_prices(self._tariff)
        at = used_wh if named.per_month else Decimal(0)
        until = at + Decimal(self._energy_wh.numerator) / self._energy_wh.denominator
        is_beyond = True
        for top, choice in named.tiers:
            if choice.component is not None and (top is None or top > at):
                yield choice.component
            if top is None or top >= until:
                is_beyond = False
                break
        if not is_beyond:
            return
        if named.spot is None:
            yield from self._components(Dimension.ENERGY)
            return
        for _at, choice in named.spot.between(spot_prices, self._start_at, self._end_at):
            if choice.component is not None:
                yield choice.component

    def time(self) -> _Most:
        charging = list(self._components(Dimension.TIME))
        parking = list(self._components(Dimension.PARKING_TIME))
        idle = self._spec.extensions.idle if self._spec.extensions else None
        cap: _Most | None = None
        if idle is not None and idle.max_amount is not None:
            factors = [self._factor(component.vat_percent) for component in parking]
            most = Fraction(idle.max_amount)
            cap = _Most(most, most * max(factors, default=Fraction(1)))
        return _Most(
            self._time(charging, parking, "priced", None if cap is None else cap.priced),
            self._time(charging, parking, "gross", None if cap is None else cap.gross),
        )

    def _time(
        self, charging: Sequence[PriceComponent], parking: Sequence[PriceComponent], side: str, cap: Fraction | None
    ) -> Fraction:
        """Some of the time charging, the rest parked: the dearest way to divide it."""
        while_charging: Fraction = getattr(self._highest(charging), side) / _SECONDS_PER_HOUR
        while_parked: Fraction = getattr(self._highest(parking), side) / _SECONDS_PER_HOUR
        whole = Fraction(self._seconds)
        most = while_charging * _blocks(charging, whole)
        if not while_parked:
            return most
        extra = while_parked * max(component.step_size for component in parking)
        if not charging:
            extra = while_parked * (_blocks(parking, whole) - whole)
        splits = [whole]
        if cap is not None and cap > extra:
            splits.append(min((cap - extra) / while_parked, whole))
        for parked in splits:
            cost = parked * while_parked + extra
            most = max(most, (whole - parked) * while_charging + (cost if cap is None else min(cost, cap)))
        return most

    def flat(self) -> _Most:
        return sum((self._once(one.price, one.vat_percent) for one in self._components(Dimension.FLAT)), _Most())

    def connection(self, fee: ConnectionFee | None) -> _Most:
        if fee is None:
            return _Most()
        reached = []
        if fee.after_minutes is not None:
            reached.append(fee.after_minutes * 60 <= self._seconds)
        if fee.after_kwh is not None:
            reached.append(kwh_to_wh(fee.after_kwh) <= self._energy_wh)
        is_due = all(reached) if fee.needs is Needs.ALL else any(reached)
        return self._once(fee.price, fee.vat_percent) if is_due else _Most()

    def service(self, fee: ServiceFee | None, of: dict[FeeBase, _Most]) -> _Most:
        if fee is None:
            return _Most()
        most = self._once(fee.flat or Decimal(0), fee.vat_percent)
        share = of[fee.of].priced * Fraction(fee.percent or 0) / 100
        return most + _Most(share, share * self._factor(fee.vat_percent)) if share > 0 else most

    def payable(self, gross: Fraction) -> Decimal:
        """Within the tariff's limits, and rounded so that no rounding of a session passes it."""
        rates = self._rates()
        highest = 1 + max((Fraction(rate or 0) for rate in rates), default=ZERO) / 100
        gross = min((gross, *_sides(self._spec.max_price, highest)))
        gross = max((gross, *_sides(self._spec.min_price, highest)))
        policy = RoundingPolicy.for_currency(self._spec.currency)
        if self._spec.tax_included is not TaxIncluded.NO:
            # Each rate is rounded on its own.
            return policy.round(gross) if len(rates) < 2 else self._rounded_up(gross, len(rates))
        if len(rates) == 1:
            percent = highest - 1
            net = policy.round(gross / highest)
            return net + policy.round(Fraction(net) * percent)
        # Net and VAT of each rate are rounded: at most a unit each, for every rate.
        return self._rounded_up(gross, 2 * len(rates))

    def _rounded_up(self, gross: Fraction, roundings: int) -> Decimal:
        unit = quantum(self._spec.currency)
        policy = RoundingPolicy(-int(unit.as_tuple().exponent), ROUND_CEILING)
        return policy.round(gross) + roundings * unit

    def _components(self, dimension: Dimension) -> Iterator[PriceComponent]:
        for element in self._elements:
            component = element.component(dimension)
            if component is not None:
                yield component

    def _highest(self, components: Iterable[PriceComponent]) -> _Most:
        most = [self._once(component.price, component.vat_percent) for component in components]
        return _Most(max((one.priced for one in most), default=ZERO), max((one.gross for one in most), default=ZERO))

    def _once(self, amount: Decimal, vat_percent: Decimal | None) -> _Most:
        """An amount that is due once; what would be paid out is left out."""
        priced = max(Fraction(amount), ZERO)
        return _Most(priced, priced * self._factor(vat_percent)) if priced else _Most()

    def _factor(self, vat_percent: Decimal | None) -> Fraction:
        """From the price as it stands to the price with tax."""
        if self._spec.tax_included is not TaxIncluded.NO:
            return Fraction(1)
        percent = vat_of(vat_percent, self._default_vat_percent, self._spec.tax_included)
        if percent is None:
            raise VatUnknown
        return 1 + Fraction(percent) / 100

    def _rates(self) -> list[Decimal | None]:
        """Every VAT rate a line can have."""
        stated: set[Decimal | None] = {
            component.vat_percent for element in self._spec.elements for component in element.components
        }
        extensions = self._spec.extensions
        if extensions is not None:
            priced = (extensions.service_fee, extensions.connection_fee, extensions.energy_tiers, extensions.spot)
            stated |= {one.vat_percent for one in priced if one is not None}
        tax_included = self._spec.tax_included
        return list({vat_of(percent, self._default_vat_percent, tax_included) for percent in stated})


def _blocks(components: Iterable[PriceComponent], quantity: Fraction) -> Fraction:
    """The quantity rounded up to whole steps, as the coarsest of the components would."""
    most = quantity
    for component in components:
        if component.step_size:
            most = max(most, quantity + (-quantity) % component.step_size)
    return most


def _sides(limit: PriceLimit | None, highest_factor: Fraction) -> Iterator[Fraction]:
    """A limit before and after tax, both as amounts with tax."""
    if limit is not None and limit.gross is not None:
        yield Fraction(limit.gross)
    if limit is not None and limit.net is not None:
        yield Fraction(limit.net) * highest_factor
