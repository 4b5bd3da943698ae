"""What a session used, summed per decision: the one walk over its periods.

Exactness: moments are whole microseconds and energies Decimals added without rounding (a context that traps Inexact);
a run of periods under one decision is summed as two differences. A piece cut out of a period is a rational share of it
and is kept as a Fraction, so no cut loses anything and an extra period boundary changes no price.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from math import gcd, lcm
from typing import Protocol

from tariffs.domain.compiled import (
    FAR,
    MICROSECOND,
    NO_LIMIT,
    NO_LOAD,
    RESERVATION_STATES,
    Choice,
    Decision,
    Edge,
    Load,
    Ratio,
)
from tariffs.domain.result import LineKind, ratio_sum
from tariffs.domain.spec import Period, PeriodState

ZERO = Decimal(0)


class Terms(Protocol):
    """What decides prices: a compiled tariff, or one with its named prices for one session."""

    @property
    def energy_edges(self) -> tuple[Decimal, ...]:
        """The Wh at which something else may apply, rising."""

    def edges(self, clock_at: datetime, end_at: datetime) -> Sequence[Edge]:
        """The moments at which something else may apply; the first is `clock_at`."""

    def loads(self, periods: Sequence[Period]) -> Iterable[Load]:
        """The load bands of each period."""

    def decide(self, edge: Edge, energy: int, load: Load, state: PeriodState) -> Decision:
        """What applies from `edge` on, in the band `energy` of `energy_edges`. The same answer is the same object."""


TIME_KINDS = {
    PeriodState.CHARGING: LineKind.TIME,
    PeriodState.PARKED: LineKind.PARKING_TIME,
    PeriodState.RESERVED: LineKind.RESERVATION_TIME,
    PeriodState.RESERVATION_EXPIRED: LineKind.RESERVATION_TIME,
}


@dataclass(slots=True)
class Use:
    """What one decision applied to: whole periods as `time` and `energy_wh`, shares of cut ones beside them."""

    decision: Decision
    state: PeriodState
    start_at: datetime
    end_at: datetime
    first_period: int
    last_period: int
    time: timedelta = timedelta(0)
    energy_wh: Decimal = ZERO
    time_shares: tuple[Ratio, ...] = ()
    energy_shares: tuple[Ratio, ...] = ()

    def microseconds(self) -> Ratio:
        whole = self.time // MICROSECOND, 1
        return ratio_sum((whole, *self.time_shares)) if self.time_shares else whole

    def wh(self) -> Ratio:
        whole = self.energy_wh.as_integer_ratio()
        return ratio_sum((whole, *self.energy_shares)) if self.energy_shares else whole


class Phase:
    """The reservation or the session proper, summed per decision.

    `uses` are in the order of first use. `last_energy` and `last_time` (per kind) are the choices that last priced a
    quantity above zero; `flats` the FLAT components in the order in which they became active.
    """

    def __init__(self, terms: Terms, periods: Sequence[Period], first_index: int) -> None:
        self._terms = terms
        self._by_decision: dict[int, Use] = {}
        self.uses: list[Use] = []
        self.flats: dict[int, tuple[Choice, Use]] = {}
        self.last_energy: Choice | None = None
        self.last_time: dict[LineKind, Choice] = {}
        self._edges = terms.edges(periods[0].start_at, periods[-1].end_at)
        self._sum(periods, first_index)

    def _sum(self, periods: Sequence[Period], first_index: int) -> None:
        terms, edges, energy_edges = self._terms, self._edges, self._terms.energy_edges
        reserved = periods[0].state in RESERVATION_STATES
        edge_limits = [edge.at for edge in edges[1:]] + [FAR]
        energy_limits = [*energy_edges, NO_LIMIT]
        edge = band = 0
        time_limit, energy_limit = edge_limits[0], energy_limits[0]
        energy = run_energy = ZERO
        at = run_at = periods[0].start_at
        load: Load = NO_LOAD
        run: Decision | None = None
        run_state: PeriodState | None = None
        run_load: Load = NO_LOAD
        run_shares: tuple[Ratio, ...] = ()
        run_index = index = first_index
        for index, period, load in zip(count(first_index), periods, terms.loads(periods), strict=False):
            start_at = period.start_at
            if start_at is not at and start_at != at:
                raise ValueError(f"period {index} does not start where the one before ends")
            end_at = period.end_at
            after = energy + period.energy_wh
            if period.state is run_state and end_at < time_limit and after < energy_limit and load == run_load:
                at, energy = end_at, after
                continue
            if run is not None and run_state is not None:
                if (
                    period.state is run_state
                    and load == run_load
                    and at < time_limit < end_at <= edge_limits[edge + 1]
                    and energy < energy_limit >= after
                ):
                    begin, rest = _divide(period, time_limit)
                    whole_wh, shares = energy - run_energy, run_shares + begin
                    self._close(run, run_state, run_at, time_limit, whole_wh, shares, run_index, index)
                    edge += 1
                    run = terms.decide(edges[edge], band, load, run_state)
                    run_at, run_energy, run_shares, run_index = time_limit, after, rest, index
                    time_limit = edge_limits[edge]
                    at, energy = end_at, after
                    continue
                self._close(run, run_state, run_at, at, energy - run_energy, run_shares, run_index, index - 1)
                run = run_state = None
            if (period.state in RESERVATION_STATES) is not reserved:
                raise ValueError(f"period {index} is a reservation after charging began")
            if end_at == at and after == energy:
                continue  # nothing happened in it
            while at >= time_limit:
                edge += 1
                time_limit = edge_limits[edge]
            while energy >= energy_limit:
                band += 1
                energy_limit = energy_limits[band]
            if after <= energy_limit and end_at <= time_limit:
                run_state, run_load, run_index, run_at, run_energy = period.state, load, index, at, energy
                run, run_shares = terms.decide(edges[edge], band, load, period.state), ()
            else:
                edge, band = self._cut(period, index, load, energy, edge, band)
                time_limit, energy_limit = edge_limits[edge], energy_limits[band]
            at, energy = end_at, after
        if run is not None and run_state is not None:
            self._close(run, run_state, run_at, at, energy - run_energy, run_shares, run_index, index)
        if not self.uses:  # nothing but empty periods: the session has begun and no more
            start, none_used = edges[0], bisect_right(energy_edges, ZERO)
            decision = terms.decide(start, none_used, load, periods[0].state)
            self._use(decision, periods[0].state, at, at, first_index, first_index)

    def _use(
        self, decision: Decision, state: PeriodState, start_at: datetime, end_at: datetime, first: int, last: int
    ) -> Use:
        use = self._by_decision.get(id(decision))
        if use is None:
            use = self._by_decision[id(decision)] = Use(decision, state, start_at, end_at, first, last)
            self.uses.append(use)
            flat = decision.flat
            if flat is not None and flat.component is not None and flat.element not in self.flats:
                self.flats[flat.element] = (flat, use)
        use.end_at, use.last_period = end_at, last
        return use

    def _close(
        self,
        decision: Decision,
        state: PeriodState,
        start_at: datetime,
        end_at: datetime,
        energy_wh: Decimal,
        shares: tuple[Ratio, ...],
        first: int,
        last: int,
    ) -> None:
        """Note a run: its whole periods, and the shares it has of a period it begins or ends in."""
        use = self._use(decision, state, start_at, end_at, first, last)
        use.time += end_at - start_at
        use.energy_wh += energy_wh
        if shares:
            use.energy_shares += shares
        self._note_last(use, end_at > start_at, bool(shares or energy_wh))

    def _note_last(self, use: Use, has_time: bool, has_energy: bool) -> None:
        decision = use.decision
        if has_energy and decision.energy is not None and decision.energy.is_priced:
            self.last_energy = decision.energy
        if has_time and decision.time is not None and decision.time.is_priced:
            self.last_time[TIME_KINDS[use.state]] = decision.time

    def _cut(self, period: Period, index: int, load: Load, energy: Decimal, edge: int, band: int) -> tuple[int, int]:
        """Divide a period at every moment inside it that switches an element; returns the edge and band at its end.

        Positions are shares of the period over one denominator, `scale`.
        """
        edges = self._edges
        start_at = period.start_at
        length = (period.end_at - start_at) // MICROSECOND
        wh, wh_scale = period.energy_wh.as_integer_ratio()
        cuts: list[tuple[int, int, int, int]] = []
        for later in range(edge + 1, len(edges)):
            if edges[later].at >= period.end_at:
                break
            cuts.append(((edges[later].at - start_at) // MICROSECOND, length, 1, 0))
        after = energy + period.energy_wh
        for limit in self._terms.energy_edges[band:]:
            if limit >= after:
                break
            missing, missing_scale = (limit - energy).as_integer_ratio()
            cuts.append((missing * wh_scale, missing_scale * wh, 0, 1))
        scale = lcm(*[parts for _, parts, _, _ in cuts])
        marks = sorted((number * (scale // parts), edges_on, bands_on) for number, parts, edges_on, bands_on in cuts)
        marks.append((scale, 0, 0))
        begin = begin_rest = 0
        piece_at = start_at
        for position, edge_step, band_step in marks:
            if position > begin:
                decision = self._terms.decide(edges[edge], band, load, period.state)
                microseconds, rest = divmod(position * length, scale)
                piece_end_at = start_at + microseconds * MICROSECOND
                use = self._use(decision, period.state, piece_at, piece_end_at, index, index)
                # Reduced, so that sums of many pieces stay small.
                common = gcd(position - begin, scale)
                share, parts = (position - begin) // common, scale // common
                if rest or begin_rest:
                    use.time_shares += ((share * length, parts),)
                else:
                    use.time += piece_end_at - piece_at
                if wh:
                    use.energy_shares += ((share * wh, parts * wh_scale),)
                self._note_last(use, length > 0, wh > 0)
                piece_at, begin_rest = piece_end_at, rest
            begin = position
            edge += edge_step
            band += band_step
        return edge, band


def _divide(period: Period, cut_at: datetime) -> tuple[tuple[Ratio, ...], tuple[Ratio, ...]]:
    """The energy of a period before and after a moment inside it, in Wh; nothing where it has none."""
    wh, wh_scale = period.energy_wh.as_integer_ratio()
    if not wh:
        return (), ()
    start_at = period.start_at
    share, parts = (cut_at - start_at) // MICROSECOND, (period.end_at - start_at) // MICROSECOND
    common = gcd(share, parts)  # reduced, so that sums of many pieces stay small
    share, parts = share // common, parts // common
    return ((share * wh, parts * wh_scale),), (((parts - share) * wh, parts * wh_scale),)
