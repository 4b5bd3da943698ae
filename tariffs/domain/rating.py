"""Price a session: charging periods in, explained cost lines and exact totals out.

The one function behind quotes, live cost, CDRs, replays and OCPI imports. Order of the rules (docs/pricing.md):
1. Periods are cut wherever the local clock, the energy or the duration switches an element.
2. In each piece, per dimension, the first element decides that prices it and whose restrictions match.
3. Quantities are summed per element and dimension; FLAT counts once per component.
4. `step_size` rounds up once per session for ENERGY, once for TIME and PARKING_TIME, once for reservation time.
5. Price times quantity, tax per line, then the lowest and highest price.
Named extensions add their own lines between 4 and 5.

Exactness: moments are whole microseconds and energies Decimals added without rounding (a context that traps Inexact);
a run of periods under one decision is summed as two differences. A piece cut out of a period is a rational share of it
and is kept as a Fraction, so no cut loses anything and an extra period boundary changes no price. Money is a Fraction
up to `RatedSession.payable`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from itertools import chain, count
from math import lcm

from tariffs.domain.compiled import (
    FAR,
    MICROSECOND,
    MICROSECONDS_PER_HOUR,
    MICROSECONDS_PER_SECOND,
    NO_LIMIT,
    NO_LOAD,
    RESERVATION_STATES,
    WH_PER_KWH,
    Choice,
    CompiledTariff,
    Decision,
    Load,
    Ratio,
    Skipped,
    compile_document,
    compile_tariff,
)
from tariffs.domain.limits import Span, apply_limits, taxed
from tariffs.domain.result import CostLine, FreeQuantity, LineKind, RatedSession, ratio_sum
from tariffs.domain.spec import Dimension, Period, PeriodState, PriceComponent, TaxIncluded

__all__ = ["compile_document", "compile_tariff", "rate"]

ONCE: Ratio = (1, 1)
EXACT = Context(prec=100, traps=[Inexact])
ZERO = Decimal(0)


def rate(
    tariff: CompiledTariff, periods: Sequence[Period], *, default_vat_percent: Decimal | None = None
) -> RatedSession:
    """Price `periods`, in order and without gaps; reservation periods, if any, come first.

    A running session is rated by the same call on what is known of it so far. `default_vat_percent` applies to
    components whose tariff states no rate; without either, the side of the price that needs the rate is None.
    Raises ValueError for no periods, a gap, an overlap, or a reservation after charging began.
    """
    if not periods:
        raise ValueError("a session has at least one period")
    with localcontext(EXACT):
        lead = next((i for i, p in enumerate(periods) if p.state not in RESERVATION_STATES), len(periods))
        bill = _Bill(tariff, default_vat_percent)
        if lead:
            bill.add(_Phase(tariff, periods[:lead], 0))
        if lead < len(periods):
            if lead and periods[lead].start_at != periods[lead - 1].end_at:
                raise ValueError(f"period {lead} does not start where the one before ends")
            bill.add(_Phase(tariff, periods[lead:] if lead else periods, lead))
        return bill.rated(Span(len(periods) - 1, periods[0].start_at, periods[-1].end_at))


_TIME_KINDS = {
    PeriodState.CHARGING: LineKind.TIME,
    PeriodState.PARKED: LineKind.PARKING_TIME,
    PeriodState.RESERVED: LineKind.RESERVATION_TIME,
    PeriodState.RESERVATION_EXPIRED: LineKind.RESERVATION_TIME,
}
_LINE_ORDER = {LineKind.ENERGY: 0, LineKind.TIME: 1, LineKind.PARKING_TIME: 2, LineKind.RESERVATION_TIME: 3}
_Key = tuple[LineKind, int]


@dataclass(slots=True)
class _Use:
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


class _Phase:
    """The reservation or the session proper, summed per decision.

    `uses` are in the order of first use. `last_energy` and `last_time` (per kind) are the choices that last priced a
    quantity above zero; `flats` the FLAT components in the order in which they became active.
    """

    def __init__(self, tariff: CompiledTariff, periods: Sequence[Period], first_index: int) -> None:
        self._tariff = tariff
        self._by_decision: dict[int, _Use] = {}
        self.uses: list[_Use] = []
        self.flats: dict[int, tuple[Choice, _Use]] = {}
        self.last_energy: Choice | None = None
        self.last_time: dict[LineKind, Choice] = {}
        self._edges = tariff.edges(periods[0].start_at, periods[-1].end_at)
        self._sum(periods, first_index)

    def _sum(self, periods: Sequence[Period], first_index: int) -> None:
        tariff, edges, energy_edges = self._tariff, self._edges, self._tariff.energy_edges
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
        run_index = index = first_index
        for index, period, load in zip(count(first_index), periods, tariff.loads(periods), strict=False):
            start_at = period.start_at
            if start_at is not at and start_at != at:
                raise ValueError(f"period {index} does not start where the one before ends")
            end_at = period.end_at
            after = energy + period.energy_wh
            if period.state is run_state and end_at < time_limit and after < energy_limit and load == run_load:
                at, energy = end_at, after
                continue
            if run is not None and run_state is not None:
                self._close(run, run_state, run_at, at, energy - run_energy, run_index, index - 1)
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
            if end_at <= time_limit and after <= energy_limit:
                run_state, run_load, run_index, run_at, run_energy = period.state, load, index, at, energy
                run = tariff.decide(edges[edge].calendar, edges[edge].duration, band, load, period.state)
            else:
                edge, band = self._cut(period, index, load, energy, edge, band)
                time_limit, energy_limit = edge_limits[edge], energy_limits[band]
            at, energy = end_at, after
        if run is not None and run_state is not None:
            self._close(run, run_state, run_at, at, energy - run_energy, run_index, index)
        if not self.uses:  # nothing but empty periods: the session has begun and no more
            start, none_used = edges[0], bisect_right(energy_edges, ZERO)
            decision = tariff.decide(start.calendar, start.duration, none_used, load, periods[0].state)
            self._use(decision, periods[0].state, at, at, first_index, first_index)

    def _use(
        self, decision: Decision, state: PeriodState, start_at: datetime, end_at: datetime, first: int, last: int
    ) -> _Use:
        use = self._by_decision.get(id(decision))
        if use is None:
            use = self._by_decision[id(decision)] = _Use(decision, state, start_at, end_at, first, last)
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
        first: int,
        last: int,
    ) -> None:
        use = self._use(decision, state, start_at, end_at, first, last)
        use.time += end_at - start_at
        use.energy_wh += energy_wh
        self._note_last(use, end_at > start_at, bool(energy_wh))

    def _note_last(self, use: _Use, has_time: bool, has_energy: bool) -> None:
        decision = use.decision
        if has_energy and decision.energy is not None and decision.energy.component is not None:
            self.last_energy = decision.energy
        if has_time and decision.time is not None and decision.time.component is not None:
            self.last_time[_TIME_KINDS[use.state]] = decision.time

    def _cut(self, period: Period, index: int, load: Load, energy: Decimal, edge: int, band: int) -> tuple[int, int]:
        """Divide a period at every moment inside it that switches an element; returns the edge and band at its end.

        Positions are shares of the period over one denominator, `scale`.
        """
        edges = self._edges
        start_at = period.start_at
        length = (period.end_at - start_at) // MICROSECOND
        wh, wh_scale = period.energy_wh.as_integer_ratio()
        cuts: list[tuple[Ratio, int, int]] = []
        for later in range(edge + 1, len(edges)):
            if edges[later].at >= period.end_at:
                break
            cuts.append((((edges[later].at - start_at) // MICROSECOND, length), 1, 0))
        after = energy + period.energy_wh
        for limit in self._tariff.energy_edges[band:]:
            if limit >= after:
                break
            missing, missing_scale = (limit - energy).as_integer_ratio()
            cuts.append(((missing * wh_scale, missing_scale * wh), 0, 1))
        scale = lcm(*(denominator for (_, denominator), _, _ in cuts))
        marks = sorted((number * (scale // denominator), *steps) for (number, denominator), *steps in cuts)
        begin = 0
        for position, edge_step, band_step in [*marks, (scale, 0, 0)]:
            share = position - begin
            if share:
                decision = self._tariff.decide(edges[edge].calendar, edges[edge].duration, band, load, period.state)
                piece_at = start_at + begin * length // scale * MICROSECOND
                piece_end_at = start_at + position * length // scale * MICROSECOND
                use = self._use(decision, period.state, piece_at, piece_end_at, index, index)
                use.time_shares += ((share * length, scale),)
                use.energy_shares += ((share * wh, scale * wh_scale),)
                self._note_last(use, length > 0, wh > 0)
            begin = position
            edge += edge_step
            band += band_step
        return edge, band


@dataclass(slots=True)
class _Group:
    """Everything one component (or none) priced of one kind, in Wh or microseconds."""

    kind: LineKind
    choice: Choice
    use: _Use
    measured: Ratio
    billed: Ratio
    reasons: list[tuple[Skipped, ...]]
    end_at: datetime
    last_period: int

    def skipped(self) -> tuple[Skipped, ...]:
        """Each reason once, in the order in which they came up."""
        return self.reasons[0] if len(self.reasons) == 1 else tuple(dict.fromkeys(chain(*self.reasons)))


def _by_kind(group: _Group) -> int:
    return _LINE_ORDER[group.kind]


class _Bill:
    """Phases in, lines out."""

    def __init__(self, tariff: CompiledTariff, default_vat_percent: Decimal | None) -> None:
        self._tariff = tariff
        self._default_vat_percent = default_vat_percent
        self._tax_included = tariff.spec.tax_included
        self._lines: list[CostLine] = []
        self._free: list[FreeQuantity] = []

    def add(self, phase: _Phase) -> None:
        for flat, use in phase.flats.values():
            if flat.component is not None:
                kind = LineKind.RESERVATION_FLAT if use.state in RESERVATION_STATES else LineKind.FLAT
                group = _Group(kind, flat, use, ONCE, ONCE, [flat.skipped], use.start_at, use.first_period)
                self._line(group, flat.component, 1)
        groups: dict[_Key, _Group] = {}
        for use in phase.uses:
            energy, time = use.decision.energy, use.decision.time
            if energy is not None and (wh := use.wh())[0]:
                _gather(groups, LineKind.ENERGY, energy, use, wh)
            if time is not None and (microseconds := use.microseconds())[0]:
                _gather(groups, _TIME_KINDS[use.state], time, use, microseconds)
        _round_up(groups, LineKind.ENERGY, phase.last_energy, 1)
        for kind in (LineKind.PARKING_TIME, LineKind.TIME, LineKind.RESERVATION_TIME):
            if kind in phase.last_time:
                # Charging time that parking time follows on the bill is not rounded, only the parking is.
                _round_up(groups, kind, phase.last_time[kind], MICROSECONDS_PER_SECOND)
                break
        for group in sorted(groups.values(), key=_by_kind):
            self._add_group(group, WH_PER_KWH if group.kind is LineKind.ENERGY else MICROSECONDS_PER_HOUR)

    def rated(self, span: Span) -> RatedSession:
        spec = self._tariff.spec
        limited = apply_limits(spec, self._lines, self._default_vat_percent, span)
        return RatedSession(
            tariff=self._tariff,
            gross_priced=spec.tax_included is TaxIncluded.YES,
            lines=(*self._lines, *limited.lines),
            free=tuple(self._free),
            vat_totals=limited.vat_totals,
            exact_total_net=limited.net,
            exact_total_gross=limited.gross,
        )

    def _add_group(self, group: _Group, units: int) -> None:
        if group.choice.component is not None:
            self._line(group, group.choice.component, units)
            return
        quantity = Fraction(group.measured[0], group.measured[1] * units)
        self._free.append(FreeQuantity(group.kind, quantity, group.skipped(), group.use.start_at, group.end_at))

    def _line(self, group: _Group, component: PriceComponent, units: int) -> None:
        billed, billed_scale = group.billed
        price, price_scale = group.choice.unit_rate
        quantity = Fraction(billed, billed_scale * units)
        measured = quantity
        if group.measured is not group.billed:
            measured = Fraction(group.measured[0], group.measured[1] * units)
        vat_percent = component.vat_percent
        if vat_percent is None:
            vat_percent = self._default_vat_percent
        if self._tax_included is TaxIncluded.NOT_APPLICABLE:
            vat_percent = None
        net, gross = taxed((billed * price, billed_scale * price_scale), vat_percent, self._tax_included)
        self._lines.append(
            CostLine(
                kind=group.kind,
                quantity=quantity,
                measured=measured,
                unit_price=component.price,
                vat_percent=vat_percent,
                step_size=0 if component.dimension is Dimension.FLAT else component.step_size,
                element=group.choice.element,
                matched=self._tariff.conditions(group.choice.element),
                skipped=group.skipped(),
                first_period=group.use.first_period,
                last_period=group.last_period,
                start_at=group.use.start_at,
                end_at=group.end_at,
                exact_net=net,
                exact_gross=gross,
            )
        )


def _gather(groups: dict[_Key, _Group], kind: LineKind, choice: Choice, use: _Use, amount: Ratio) -> None:
    key = (kind, choice.element)
    group = groups.get(key)
    if group is None:
        groups[key] = _Group(kind, choice, use, amount, amount, [choice.skipped], use.end_at, use.last_period)
        return
    group.measured = group.billed = ratio_sum((group.measured, amount))
    if choice.skipped not in group.reasons:
        group.reasons.append(choice.skipped)
    group.end_at = max(group.end_at, use.end_at)
    group.last_period = max(group.last_period, use.last_period)


def _round_up(groups: dict[_Key, _Group], kind: LineKind, last: Choice | None, unit: int) -> None:
    """Round the priced total of `kind` up to the step of the component that priced it last; it bears the rest."""
    if last is None or last.component is None or not last.component.step_size:
        return
    total, scale = ratio_sum([g.measured for g in groups.values() if g.kind is kind and g.choice.component is not None])
    missing = -total % (last.component.step_size * unit * scale)
    if missing:
        group = groups[kind, last.element]
        group.billed = ratio_sum((group.measured, (missing, scale)))
