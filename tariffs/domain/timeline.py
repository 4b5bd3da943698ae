"""A session's meter samples and states as charging periods.

Source: OCPI 2.2.1, CDRs: "a moment that is calculated by the CPO … interpolated using the metering information before
and after that moment". Energy is taken to flow evenly and power and current to change evenly between two samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from common.errors import BadInput
from tariffs.domain.compiled import MICROSECOND, CompiledTariff
from tariffs.domain.result import RoundingPolicy
from tariffs.domain.spec import Period, PeriodState

# A share of the energy between two samples is told to the billionth of a Wh; what is left goes to the next share.
SHARE_POLICY = RoundingPolicy(9)
W_PER_KW = Decimal(1000)


class MeterSample(NamedTuple):
    """What the meter said: `register_wh` counts up, `power_w` and `current_a` (over all phases) are of this moment."""

    at: datetime
    register_wh: Decimal
    power_w: Decimal | None = None
    current_a: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StateChange:
    """From this moment on the session is in `state`."""

    at: datetime
    state: PeriodState


class _Point(NamedTuple):
    at: datetime
    register_wh: Decimal
    power_kw: Decimal | None
    current_a: Decimal | None


def build_periods(
    tariff: CompiledTariff,
    *,
    started_at: datetime,
    ended_at: datetime,
    samples: Sequence[MeterSample],
    states: Sequence[StateChange] = (),
    reserved_from: datetime | None = None,
) -> tuple[Period, ...]:
    """The session from `started_at` to `ended_at` (or to now, for a running one), not yet cut at the tariff's hours.

    The session is CHARGING until the first state change. The first sample is the register at the start; no energy flows
    before it or after the last. A new period begins at every sample, state change and crossing of one of the tariff's
    power or current limits. With `reserved_from`, the reservation comes first, until `started_at`.
    Raises BadInput where samples or states run backwards, or the register does.
    """
    _check(started_at, ended_at, samples, states, reserved_from)
    periods: list[Period] = []
    if reserved_from is not None and reserved_from < started_at:
        periods.append(Period(reserved_from, started_at, PeriodState.RESERVED))
    points = _points(started_at, ended_at, samples)
    changes = [change for change in states if change.at < ended_at]
    state = PeriodState.CHARGING
    next_change = 0
    for first, second in pairwise(points):
        while next_change < len(changes) and changes[next_change].at <= first.at:
            state = changes[next_change].state
            next_change += 1
        at, register_wh = first.at, first.register_wh
        for cut_at in _cuts(tariff, first, second, changes[next_change:]):
            piece_end_wh = _register_at(first, second, cut_at)
            periods.append(_piece(first, second, at, cut_at, state, piece_end_wh - register_wh))
            at, register_wh = cut_at, piece_end_wh
            while next_change < len(changes) and changes[next_change].at <= at:
                state = changes[next_change].state
                next_change += 1
        periods.append(_piece(first, second, at, second.at, state, second.register_wh - register_wh))
    return tuple(periods) or (Period(started_at, ended_at, state),)


def cut_periods(tariff: CompiledTariff, periods: Sequence[Period]) -> tuple[Period, ...]:
    """The same session with a new period at every moment the tariff's hours, durations or energies switch an element.

    This is the list OCPI wants in a CDR. Rating does not need it: it cuts by itself, exactly, where here a cut is told
    to the microsecond and to the billionth of a Wh.
    """
    reserved = [period for period in periods if period.state in _RESERVATION]
    used = [period for period in periods if period.state not in _RESERVATION]
    return tuple(piece for phase in (reserved, used) if phase for piece in _cut_phase(tariff, phase))


_RESERVATION = (PeriodState.RESERVED, PeriodState.RESERVATION_EXPIRED)


def _cut_phase(tariff: CompiledTariff, periods: Sequence[Period]) -> Iterator[Period]:
    moments = [edge.at for edge in tariff.edges(periods[0].start_at, periods[-1].end_at)[1:]]
    energy_wh = Decimal(0)
    for period in periods:
        length = period.end_at - period.start_at
        cuts = {moment for moment in moments if period.start_at < moment < period.end_at}
        for edge in tariff.energy_edges:
            if energy_wh < edge < energy_wh + period.energy_wh:
                share = Fraction(edge - energy_wh) / Fraction(period.energy_wh)
                cuts.add(period.start_at + timedelta(microseconds=int(share * (length // MICROSECOND))))
        at, done_wh = period.start_at, Decimal(0)
        for cut in [*sorted(cuts - {period.start_at}), period.end_at]:
            until_wh = period.energy_wh
            if cut != period.end_at:
                until_wh = SHARE_POLICY.round(Fraction(period.energy_wh) * _share(period.start_at, period.end_at, cut))
            yield replace(period, start_at=at, end_at=cut, energy_wh=until_wh - done_wh)
            at, done_wh = cut, until_wh
        energy_wh += period.energy_wh


def _points(started_at: datetime, ended_at: datetime, samples: Sequence[MeterSample]) -> list[_Point]:
    """The samples within the session, and its two ends at the nearest register."""
    points = [
        _Point(sample.at, sample.register_wh, sample.power_w and sample.power_w / W_PER_KW, sample.current_a)
        for sample in samples
    ]
    if not points:
        return [_Point(started_at, Decimal(0), None, None), _Point(ended_at, Decimal(0), None, None)]
    if points[0].at > started_at:
        points.insert(0, points[0]._replace(at=started_at))
    if points[-1].at < ended_at:
        points.append(points[-1]._replace(at=ended_at))
    return points


def _cuts(tariff: CompiledTariff, first: _Point, second: _Point, changes: Sequence[StateChange]) -> list[datetime]:
    if not (changes or tariff.power_edges or tariff.current_edges):
        return []
    cuts = {change.at for change in changes if first.at < change.at < second.at}
    for edges, low, high in (
        (tariff.power_edges, first.power_kw, second.power_kw),
        (tariff.current_edges, first.current_a, second.current_a),
    ):
        if low is None or high is None or low == high:
            continue
        for edge in edges:
            if min(low, high) < edge < max(low, high):
                share = (Fraction(edge) - Fraction(low)) / (Fraction(high) - Fraction(low))
                length = (second.at - first.at) // MICROSECOND
                cuts.add(first.at + timedelta(microseconds=round(share * length)))
    return sorted(cuts - {first.at, second.at})


def _piece(
    first: _Point, second: _Point, at: datetime, end_at: datetime, state: PeriodState, energy_wh: Decimal
) -> Period:
    """One period between two samples; power and current are those halfway, on one side of every limit."""
    power_kw = _halfway(first.power_kw, second.power_kw, first, second, at, end_at)
    current_a = _halfway(first.current_a, second.current_a, first, second, at, end_at)
    return Period(at, end_at, state, energy_wh, power_kw, power_kw, current_a, current_a)


def _halfway(
    low: Decimal | None, high: Decimal | None, first: _Point, second: _Point, at: datetime, end_at: datetime
) -> Decimal | None:
    if low is None or high is None or low == high:
        return low if high is None else high
    share = (_share(first.at, second.at, at) + _share(first.at, second.at, end_at)) / 2
    return SHARE_POLICY.round(Fraction(low) + (Fraction(high) - Fraction(low)) * share)


def _register_at(first: _Point, second: _Point, at: datetime) -> Decimal:
    grown = Fraction(second.register_wh - first.register_wh) * _share(first.at, second.at, at)
    return first.register_wh + SHARE_POLICY.round(grown)


def _share(start_at: datetime, end_at: datetime, at: datetime) -> Fraction:
    length = (end_at - start_at) // MICROSECOND
    return Fraction((at - start_at) // MICROSECOND, length) if length else Fraction(0)


def _check(
    started_at: datetime,
    ended_at: datetime,
    samples: Sequence[MeterSample],
    states: Sequence[StateChange],
    reserved_from: datetime | None,
) -> None:
    moments = [started_at, ended_at, *(sample.at for sample in samples), *(change.at for change in states)]
    if any(moment.tzinfo is not UTC for moment in (*moments, reserved_from or started_at)):
        raise ValueError("a session's moments are aware UTC")
    details = []
    if ended_at < started_at:
        details.append("the session ends before it starts")
    for index, (one, other) in enumerate(pairwise(samples), 1):
        if other.at < one.at:
            details.append(f"samples[{index}]: is before the sample before it")
        if other.register_wh < one.register_wh:
            details.append(
                f"samples[{index}]: the register runs backwards, {one.register_wh} to {other.register_wh} Wh"
            )
    if samples and (samples[0].at < started_at or samples[-1].at > ended_at):
        details.append("samples: reach outside the session")
    details += [
        f"states[{index}]: is before the change before it"
        for index, (one, other) in enumerate(pairwise(states), 1)
        if other.at < one.at
    ]
    if details:
        raise BadInput("The session's meter values do not fit together.", details=details)
