"""The pricing rules written down as plainly as possible, to hold the engine against. Slow on purpose.

Every period is cut at every quarter of an hour, every local hour any element names, and every energy and duration
limit; each piece is then looked up element by element. `number` is Fraction for proofs (nothing is rounded) and Decimal
for the benchmark of what a plain implementation costs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tariffs.domain.spec import (
    Dimension,
    Element,
    Period,
    PeriodState,
    PriceComponent,
    ReservationRestriction,
    Restrictions,
    TariffSpec,
    TaxIncluded,
)
from tariffs.domain.spot import SpotPrice
from tests.tariffs.domain.oracle_named import Named, Price

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
MICRO = timedelta(microseconds=1)
RESERVED = (PeriodState.RESERVED, PeriodState.RESERVATION_EXPIRED)


@dataclass
class Answer:
    """Sums per (kind, element index or name), and the totals after limits; None where a VAT rate is missing.

    Amounts are as priced, each with its VAT rate.
    """

    quantities: dict[tuple[str, int | str], Any] = field(default_factory=dict)
    amounts: dict[tuple[str, int | str], tuple[Any, Decimal | None]] = field(default_factory=dict)
    net: Any = 0
    gross: Any = 0


@dataclass
class Piece:
    at: datetime
    elapsed: Any  # microseconds since the phase began
    used_wh: Any
    microseconds: Any
    wh: Any
    period: Period


def price(
    spec: TariffSpec,
    zone: str,
    periods: list[Period],
    number: Callable[[Any], Any] = Fraction,
    *,
    spot_prices: Sequence[SpotPrice] = (),
    month_to_date_wh: Decimal | None = None,
) -> Answer:
    answer = Answer()
    named = Named(spec, number, spot_prices, month_to_date_wh)
    reservation = [period for period in periods if period.state in RESERVED]
    session = [period for period in periods if period.state not in RESERVED]
    for phase in (reservation, session):
        if phase:
            _price_phase(spec, ZoneInfo(zone), phase, number, answer, named)
    named.fees(answer.amounts, session)
    _total(spec, number, answer)
    return answer


def _price_phase(
    spec: TariffSpec, zone: ZoneInfo, phase: list[Period], number: Any, answer: Answer, named: Named
) -> None:
    pieces = [piece for piece in _pieces(spec, zone, phase, number, named) if piece.microseconds or piece.wh]
    if not pieces:
        pieces = [Piece(phase[0].start_at, number(0), number(0), number(0), number(0), phase[0])]
    rounded_by: dict[str, Price] = {}
    counted: dict[str, Any] = {}
    for position, piece in enumerate(pieces):
        state = piece.period.state
        for dimension, kind, quantity, unit in (
            (Dimension.FLAT, "RESERVATION_FLAT" if state in RESERVED else "FLAT", None, None),
            (Dimension.ENERGY, "ENERGY", piece.wh, number(1000)),
            (*_time_of(state), piece.microseconds, number(3600) * 1_000_000),
        ):
            if state in RESERVED and dimension is Dimension.ENERGY:
                continue
            index = _first_match(spec, zone, piece, dimension, number)
            own = None
            if index is not None:
                component = _component(spec, index, dimension)
                own = Price(index, number(component.price), component.vat_percent, component.step_size, counts=True)
            clock = piece.at.astimezone(zone).time()
            chosen = named.priced(own, dimension, piece, pieces[: position + 1], clock)
            if chosen is None:
                continue
            key = (kind, chosen.name)
            if dimension is Dimension.FLAT:
                answer.quantities[key] = number(1)
                answer.amounts[key] = (chosen.price, chosen.vat)
            elif quantity:
                _count(answer, kind, chosen, quantity, unit)
                if chosen.counts or chosen.name in ("tier", "spot", "spot_fallback"):
                    rounded_by[kind] = chosen
                    counted[kind] = counted.get(kind, number(0)) + quantity
    if "PARKING_TIME" in rounded_by:
        rounded_by.pop("TIME", None)
    for kind, last in rounded_by.items():
        if not last.step_size:
            continue
        block = number(last.step_size) if kind == "ENERGY" else number(last.step_size) * 1_000_000
        total = counted[kind]
        missing = -total % block if number is Fraction else (block - total % block) % block
        _count(answer, kind, last, missing, number(1000) if kind == "ENERGY" else number(3600) * 1_000_000)


def _count(answer: Answer, kind: str, chosen: Price, quantity: Any, unit: Any) -> None:
    key = (kind, chosen.name)
    answer.quantities[key] = answer.quantities.get(key, 0) + quantity
    amount, vat = answer.amounts.get(key, (0, chosen.vat))
    answer.amounts[key] = (amount + quantity / unit * chosen.price, vat)


def _component(spec: TariffSpec, index: int, dimension: Dimension) -> PriceComponent:
    component = spec.elements[index].component(dimension)
    assert component is not None
    return component


def _time_of(state: PeriodState) -> tuple[Dimension, str]:
    if state is PeriodState.PARKED:
        return Dimension.PARKING_TIME, "PARKING_TIME"
    return Dimension.TIME, "RESERVATION_TIME" if state in RESERVED else "TIME"


def _pieces(spec: TariffSpec, zone: ZoneInfo, phase: list[Period], number: Any, named: Named) -> list[Piece]:
    began = phase[0].start_at
    used = number(0)
    pieces = []
    elapsed_cuts = named.elapsed_cuts(phase)
    for period in phase:
        length = number((period.end_at - period.start_at) // MICRO)
        wh = number(period.energy_wh)
        offset = number((period.start_at - began) // MICRO)
        cuts = {number(0), number(1)}
        if length:
            for moment in _clock_moments(spec, zone, period, named.clocks()):
                cuts.add(number((moment - period.start_at) // MICRO) / length)
            for element in spec.elements:
                for seconds in (element.restrictions.min_duration, element.restrictions.max_duration):
                    if seconds is not None:
                        cuts.add((number(seconds) * 1_000_000 - offset) / length)
            cuts.update((cut - offset) / length for cut in elapsed_cuts)
        if wh:
            for element in spec.elements:
                for limit in (element.restrictions.min_kwh, element.restrictions.max_kwh):
                    if limit is not None:
                        cuts.add((number(limit) * 1000 - used) / wh)
            cuts.update((cut - used) / wh for cut in named.wh_cuts())
        inside = sorted(cut for cut in cuts if 0 <= cut <= 1)
        for begin, end in pairwise(inside):
            pieces.append(
                Piece(
                    at=period.start_at + timedelta(microseconds=int(begin * length)),
                    elapsed=offset + begin * length,
                    used_wh=used + begin * wh,
                    microseconds=(end - begin) * length,
                    wh=(end - begin) * wh,
                    period=period,
                )
            )
        used += wh
    return pieces


def _clock_moments(spec: TariffSpec, zone: ZoneInfo, period: Period, more: set[time]) -> set[datetime]:
    moments = set()
    quarter = period.start_at.replace(minute=0, second=0, microsecond=0)
    while quarter < period.end_at:
        moments.add(quarter)
        quarter += QUARTER
    clocks = {time(0)} | more
    for element in spec.elements:
        clocks |= {c for c in (element.restrictions.start_time, element.restrictions.end_time) if c is not None}
    day = (period.start_at - DAY).date()
    while day <= (period.end_at + DAY).date():
        for clock in clocks:
            for fold in (0, 1):
                moments.add(datetime.combine(day, clock).replace(tzinfo=zone, fold=fold).astimezone(UTC))
        day += DAY
    return {moment for moment in moments if period.start_at < moment < period.end_at}


def _first_match(spec: TariffSpec, zone: ZoneInfo, piece: Piece, dimension: Dimension, number: Any) -> int | None:
    state = piece.period.state
    if state is PeriodState.RESERVED:
        wanted: list[ReservationRestriction | None] = [ReservationRestriction.RESERVATION]
    elif state is PeriodState.RESERVATION_EXPIRED:
        wanted = [ReservationRestriction.RESERVATION_EXPIRES, ReservationRestriction.RESERVATION]
    else:
        wanted = [None]
    for kind in wanted:
        for index, element in enumerate(spec.elements):
            if (
                element.restrictions.reservation is kind
                and element.component(dimension)
                and _holds(element, zone, piece, number)
            ):
                return index
    return None


def _holds(element: Element, zone: ZoneInfo, piece: Piece, number: Any) -> bool:
    r: Restrictions = element.restrictions
    local = piece.at.astimezone(zone)
    checks = [
        r.start_date is None or local.date() >= r.start_date,
        r.end_date is None or local.date() < r.end_date,
        not r.days or local.isoweekday() in r.days,
        _in_hours(r.start_time, r.end_time, local.time()),
        r.min_kwh is None or piece.used_wh >= number(r.min_kwh) * 1000,
        r.max_kwh is None or piece.used_wh < number(r.max_kwh) * 1000,
        r.min_duration is None or piece.elapsed >= number(r.min_duration) * 1_000_000,
        r.max_duration is None or piece.elapsed < number(r.max_duration) * 1_000_000,
    ]
    for limit, value, lower in (
        (r.min_power, _power(piece.period, piece.period.min_power_kw, number), True),
        (r.max_power, _power(piece.period, piece.period.max_power_kw, number), False),
        (r.min_current, _current(piece.period, piece.period.min_current_a, number), True),
        (r.max_current, _current(piece.period, piece.period.max_current_a, number), False),
    ):
        if limit is not None:
            known = value is not None
            checks.append(known and (value >= number(limit) if lower else value < number(limit)))
    return all(checks)


def _in_hours(start: time | None, end: time | None, clock: time) -> bool:
    minute = clock.hour * 60 + clock.minute
    begin = start.hour * 60 + start.minute if start else 0
    finish = end.hour * 60 + end.minute if end else 0
    finish = finish or 1440
    if begin < finish:
        return begin <= minute < finish
    return minute >= begin or minute < finish


def _power(period: Period, stated: Decimal | None, number: Any) -> Any:
    if stated is not None:
        return number(stated)
    if period.state is not PeriodState.CHARGING or period.end_at == period.start_at:
        return number(0)
    hours = number((period.end_at - period.start_at) // MICRO) / 1_000_000 / 3600
    return number(period.energy_wh) / 1000 / hours


def _current(period: Period, stated: Decimal | None, number: Any) -> Any:
    if stated is not None:
        return number(stated)
    return None if period.state is PeriodState.CHARGING else number(0)


def _total(spec: TariffSpec, number: Any, answer: Answer) -> None:
    net: Any = number(0)
    gross: Any = number(0)
    for amount, vat in answer.amounts.values():
        one_net: Any = amount
        one_gross: Any = amount
        if spec.tax_included is not TaxIncluded.NOT_APPLICABLE and amount:
            factor = None if vat is None else 1 + number(vat) / 100
            if spec.tax_included is TaxIncluded.YES:
                one_net = None if factor is None else amount / factor
            else:
                one_gross = None if factor is None else amount * factor
        net = None if net is None or one_net is None else net + one_net
        gross = None if gross is None or one_gross is None else gross + one_gross
    for limit, clamp in ((spec.max_price, min), (spec.min_price, max)):
        if limit is not None:
            net = None if net is None else clamp(net, number(limit.net))
            gross = None if gross is None else clamp(gross, number(limit.gross))
    answer.net, answer.gross = net, gross
