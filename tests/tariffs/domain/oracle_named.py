"""The named extensions written down as plainly as possible, beside the plain rules of oracle.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tariffs.domain.extensions import Extensions, FeeBase, Needs, TierPeriod
from tariffs.domain.spec import Dimension, Period, PeriodState, TariffSpec
from tariffs.domain.spot import SpotPrice

MICRO = timedelta(microseconds=1)
MINUTE = 60 * 1_000_000
TIME_KINDS = ("TIME", "PARKING_TIME", "RESERVATION_TIME", "IDLE_CAP")


@dataclass
class Price:
    """What one piece pays for one dimension: the line's name, the price per unit, its VAT, and its block."""

    name: int | str
    price: Any
    vat: Decimal | None
    step_size: int = 0
    counts: bool = False


class Named:
    """A tariff's extensions for one session; a tariff without any changes nothing."""

    def __init__(
        self, spec: TariffSpec, number: Callable[[Any], Any], spot_prices: Sequence[SpotPrice], month_wh: Decimal | None
    ) -> None:
        self.extensions = spec.extensions or Extensions()
        self.number = number
        self.spot_prices = spot_prices
        tiers = self.extensions.energy_tiers
        self.used_before = number(month_wh or 0) if tiers and tiers.per is TierPeriod.MONTH else number(0)

    # --- Where a price may change

    def clocks(self) -> set[time]:
        idle = self.extensions.idle
        return {clock for clock in (idle.free_from, idle.free_until) if clock is not None} if idle else set()

    def wh_cuts(self) -> list[Any]:
        cuts = []
        if self.extensions.free and self.extensions.free.kwh:
            cuts.append(self.number(self.extensions.free.kwh) * 1000)
        for tier in self.extensions.energy_tiers.tiers if self.extensions.energy_tiers else ():
            if tier.up_to_kwh is not None:
                cuts.append(self.number(tier.up_to_kwh) * 1000 - self.used_before)
        return cuts

    def elapsed_cuts(self, phase: Sequence[Period]) -> list[Any]:
        """Microseconds since the phase began."""
        began = phase[0].start_at
        cuts = [self._elapsed(began, moment) for price in self.spot_prices for moment in (price.start_at, price.end_at)]
        if self.extensions.free and self.extensions.free.minutes:
            cuts.append(self.number(self.extensions.free.minutes) * MINUTE)
        if self.extensions.idle:
            grace = self.number(self.extensions.idle.grace_minutes) * MINUTE
            cuts += [self._elapsed(began, period.start_at) + grace for period in phase]
        return cuts

    def _elapsed(self, began: datetime, moment: datetime) -> Any:
        return self.number((moment - began) // MICRO)

    # --- What a piece pays

    def priced(
        self, own: Price | None, dimension: Dimension, piece: Any, before: Sequence[Any], clock: time
    ) -> Price | None:
        """`before` are the pieces so far, this one last."""
        if piece.period.state in (PeriodState.RESERVED, PeriodState.RESERVATION_EXPIRED):
            return own
        if dimension is Dimension.ENERGY:
            price = self._tier(piece) or self._spot(piece, before[0]) or own
            free = self.extensions.free
            if price and free and free.kwh and piece.used_wh < self.number(free.kwh) * 1000:
                return Price("free_energy", self.number(0), price.vat)
            return price
        if dimension is Dimension.FLAT or own is None:
            return own
        why = self._time_off(piece, before, clock)
        return Price(why, self.number(0), own.vat) if why else own

    def _tier(self, piece: Any) -> Price | None:
        tiers = self.extensions.energy_tiers
        for tier in tiers.tiers if tiers else ():
            if tier.up_to_kwh is None or self.used_before + piece.used_wh < self.number(tier.up_to_kwh) * 1000:
                return Price("tier", self.number(tier.price), tiers.vat_percent)
        return None

    def _spot(self, piece: Any, first: Any) -> Price | None:
        spot = self.extensions.spot
        if spot is None:
            return None
        for step in self.spot_prices:
            began = first.at
            if self._elapsed(began, step.start_at) <= piece.elapsed < self._elapsed(began, step.end_at):
                price = self.number(step.price) * self.number(spot.factor) + self.number(spot.markup)
                if spot.cap is not None:
                    price = min(price, self.number(spot.cap))
                if spot.floor is not None:
                    price = max(price, self.number(spot.floor))
                return Price("spot", price, spot.vat_percent)
        return Price("spot_fallback", self.number(spot.fallback), spot.vat_percent)

    def _time_off(self, piece: Any, before: Sequence[Any], clock: time) -> str | None:
        free, idle = self.extensions.free, self.extensions.idle
        if free and free.minutes and piece.elapsed < self.number(free.minutes) * MINUTE:
            return "free_time"
        if idle is None or piece.period.state is not PeriodState.PARKED:
            return None
        parked_since = piece
        for earlier in reversed(before):
            if earlier.period.state is not PeriodState.PARKED:
                break
            parked_since = earlier
        if piece.elapsed - parked_since.elapsed < self.number(idle.grace_minutes) * MINUTE:
            return "idle_grace"
        if idle.free_from is not None and idle.free_until is not None:
            begin, end = _minute(idle.free_from), _minute(idle.free_until) or 1440
            minute = _minute(clock)
            if begin <= minute < end if begin < end else minute >= begin or minute < end:
                return "idle_free_hours"
        return None

    # --- Fees

    def fees(self, amounts: dict[Any, tuple[Any, Decimal | None]], session: Sequence[Period]) -> None:
        """Add the fees to `amounts`, which are as priced."""
        idle, connection, service = self.extensions.idle, self.extensions.connection_fee, self.extensions.service_fee
        if idle and idle.max_amount is not None:
            parking = {key: value for key, value in amounts.items() if key[0] == "PARKING_TIME"}
            total = sum((amount for amount, _ in parking.values()), self.number(0))
            if total > self.number(idle.max_amount):
                for (_, name), (amount, vat) in parking.items():
                    amounts["IDLE_CAP", name] = (amount * (self.number(idle.max_amount) / total - 1), vat)
        if connection and session:
            reached = []
            if connection.after_minutes is not None:
                length = session[-1].end_at - session[0].start_at
                reached.append(length >= timedelta(minutes=connection.after_minutes))
            if connection.after_kwh is not None:
                wh = sum((period.energy_wh for period in session), Decimal(0))
                reached.append(wh >= connection.after_kwh * 1000)
            if (all if connection.needs is Needs.ALL else any)(reached):
                amounts["CONNECTION_FEE", ""] = (self.number(connection.price), connection.vat_percent)
        if service:
            base = sum((amount for key, (amount, _) in amounts.items() if _counts(key[0], service.of)), self.number(0))
            if service.flat is not None and session:
                amounts["SERVICE_FEE", "flat"] = (self.number(service.flat), service.vat_percent)
            if service.percent is not None:
                amounts["SERVICE_FEE", "percent"] = (base * self.number(service.percent) / 100, service.vat_percent)


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _counts(kind: str, of: FeeBase) -> bool:
    if of is FeeBase.ALL:
        return True
    return kind == "ENERGY" if of is FeeBase.ENERGY else kind in TIME_KINDS
