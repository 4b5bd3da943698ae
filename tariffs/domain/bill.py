"""From summed quantities to cost lines: steps, prices, tax, named fees, limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import chain

from tariffs.domain.compiled import (
    MICROSECONDS_PER_HOUR,
    MICROSECONDS_PER_SECOND,
    NAMED,
    RESERVATION_STATES,
    WH_PER_KWH,
    Choice,
    CompiledTariff,
    Ratio,
    Skipped,
)
from tariffs.domain.fees import Fees
from tariffs.domain.limits import Span, apply_limits, taxed, vat_of
from tariffs.domain.phase import TIME_KINDS, Phase, Use
from tariffs.domain.result import CostLine, FreeQuantity, LineKind, RatedSession, RatingInputs, ratio_sum
from tariffs.domain.spec import Dimension, Period, PriceComponent, TaxIncluded
from tariffs.domain.words import Condition

ONCE: Ratio = (1, 1)
_LINE_ORDER = {LineKind.ENERGY: 0, LineKind.TIME: 1, LineKind.PARKING_TIME: 2, LineKind.RESERVATION_TIME: 3}
_Key = tuple[LineKind, int, tuple[Condition, ...]]


@dataclass(slots=True)
class _Group:
    """Everything one component (or none) priced of one kind, in Wh or microseconds; `added` rounds it up."""

    kind: LineKind
    choice: Choice
    use: Use
    amounts: list[Ratio]
    reasons: list[tuple[Skipped, ...]]
    end_at: datetime
    last_period: int
    added: Ratio | None = None

    def measured(self) -> Ratio:
        return self.amounts[0] if len(self.amounts) == 1 else ratio_sum(self.amounts)

    def skipped(self) -> tuple[Skipped, ...]:
        """Each reason once, in the order in which they came up."""
        return self.reasons[0] if len(self.reasons) == 1 else tuple(dict.fromkeys(chain(*self.reasons)))


def _by_kind(group: _Group) -> int:
    return _LINE_ORDER[group.kind]


class Bill:
    """Phases in, lines out."""

    def __init__(self, tariff: CompiledTariff, default_vat_percent: Decimal | None) -> None:
        self._tariff = tariff
        self._default_vat_percent = default_vat_percent
        self._tax_included = tariff.spec.tax_included
        self._lines: list[CostLine] = []
        self._free: list[FreeQuantity] = []
        self.inputs: RatingInputs | None = None

    def add(self, phase: Phase) -> None:
        for flat, use in phase.flats.values():
            if flat.component is not None:
                kind = LineKind.RESERVATION_FLAT if use.state in RESERVATION_STATES else LineKind.FLAT
                group = _Group(kind, flat, use, [ONCE], [flat.skipped], use.start_at, use.first_period)
                self._line(group, flat.component, 1)
        groups: dict[_Key, _Group] = {}
        for use in phase.uses:
            energy, time = use.decision.energy, use.decision.time
            if energy is not None and (wh := use.wh())[0]:
                _gather(groups, LineKind.ENERGY, energy, use, wh)
            if time is not None and (microseconds := use.microseconds())[0]:
                _gather(groups, TIME_KINDS[use.state], time, use, microseconds)
        _round_up(groups, LineKind.ENERGY, phase.last_energy, 1)
        for kind in (LineKind.PARKING_TIME, LineKind.TIME, LineKind.RESERVATION_TIME):
            if kind in phase.last_time:
                # Charging time that parking time follows on the bill is not rounded, only the parking is.
                _round_up(groups, kind, phase.last_time[kind], MICROSECONDS_PER_SECOND)
                break
        for group in sorted(groups.values(), key=_by_kind):
            self._add_group(group, WH_PER_KWH if group.kind is LineKind.ENERGY else MICROSECONDS_PER_HOUR)

    def add_fees(self, fees: Fees, periods: Sequence[Period], first_index: int, span: Span) -> None:
        """The named fees; `periods` are the session proper, empty for a reservation that was not used."""
        self._lines += fees.lines(self._lines, periods, first_index, span, self._default_vat_percent)

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
            inputs=self.inputs,
        )

    def _add_group(self, group: _Group, units: int) -> None:
        if group.choice.component is not None:
            self._line(group, group.choice.component, units)
            return
        measured, scale = group.measured()
        quantity = Fraction(measured, scale * units)
        self._free.append(FreeQuantity(group.kind, quantity, group.skipped(), group.use.start_at, group.end_at))

    def _line(self, group: _Group, component: PriceComponent, units: int) -> None:
        billed, billed_scale = group.measured()
        measured = quantity = Fraction(billed, billed_scale * units)
        if group.added is not None:
            billed, billed_scale = ratio_sum(((billed, billed_scale), group.added))
            quantity = Fraction(billed, billed_scale * units)
        price, price_scale = group.choice.unit_rate
        vat_percent = vat_of(component.vat_percent, self._default_vat_percent, self._tax_included)
        net, gross = taxed((billed * price, billed_scale * price_scale), vat_percent, self._tax_included)
        element = group.choice.element
        self._lines.append(
            CostLine(
                kind=group.kind,
                quantity=quantity,
                measured=measured,
                unit_price=component.price,
                vat_percent=vat_percent,
                step_size=0 if component.dimension is Dimension.FLAT else component.step_size,
                element=None if element == NAMED else element,
                matched=group.choice.named or self._tariff.conditions(element),
                skipped=group.skipped(),
                first_period=group.use.first_period,
                last_period=group.last_period,
                start_at=group.use.start_at,
                end_at=group.end_at,
                net_ratio=net,
                gross_ratio=gross,
            )
        )


def _gather(groups: dict[_Key, _Group], kind: LineKind, choice: Choice, use: Use, amount: Ratio) -> None:
    key = (kind, choice.element, choice.named)
    group = groups.get(key)
    if group is None:
        groups[key] = _Group(kind, choice, use, [amount], [choice.skipped], use.end_at, use.last_period)
        return
    group.amounts.append(amount)
    if choice.skipped not in group.reasons:
        group.reasons.append(choice.skipped)
    if use.end_at > group.end_at:
        group.end_at = use.end_at
    if use.last_period > group.last_period:
        group.last_period = use.last_period


def _round_up(groups: dict[_Key, _Group], kind: LineKind, last: Choice | None, unit: int) -> None:
    """Round the priced total of `kind` up to the step of the component that priced it last; it bears the rest."""
    if last is None or last.component is None or not last.component.step_size:
        return
    total, scale = ratio_sum([g.measured() for g in groups.values() if g.kind is kind and g.choice.is_priced])
    missing = -total % (last.component.step_size * unit * scale)
    if missing:
        groups[kind, last.element, last.named].added = missing, scale
