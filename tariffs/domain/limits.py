"""Tax on an unrounded amount, and a tariff's lowest and highest price.

Source: OCPI 2.2.1, Tariff.min_price and max_price: the limits before and after tax "both apply", each to its own total.
A document cannot follow that literally, for net, VAT and gross must fit the rates on it. So the lines are scaled by the
one factor that keeps both limits, each VAT rate by its share, and the difference becomes a line of its own per rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from tariffs.domain.compiled import Ratio
from tariffs.domain.result import CostLine, LineKind, VatTotal, decimal_of, known_sum, vat_totals
from tariffs.domain.spec import Dimension, PriceLimit, TariffSpec, TaxIncluded
from tariffs.domain.words import Condition

ZERO = Fraction(0)
ONE = Fraction(1)
Amounts = tuple[Fraction | None, Fraction | None]
Taxed = tuple[Ratio | None, Ratio | None]
_BY_LIKELIHOOD = (Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.FLAT)


@dataclass(frozen=True, slots=True)
class Span:
    """The whole session, for lines that belong to no part of it."""

    last_period: int
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True)
class Limited:
    """The adjustment lines, all lines per VAT rate, and the totals with each limit applied to its own side."""

    lines: tuple[CostLine, ...]
    vat_totals: tuple[VatTotal, ...]
    net: Fraction | None
    gross: Fraction | None


def taxed(ratio: Ratio, vat_percent: Decimal | None, tax_included: TaxIncluded) -> Taxed:
    """(net, gross) of an amount priced as `tax_included` says; the side that needs an unknown rate is None."""
    number, scale = ratio
    if tax_included is TaxIncluded.NOT_APPLICABLE or not number:
        return ratio, ratio
    if vat_percent is None:
        return (None, ratio) if tax_included is TaxIncluded.YES else (ratio, None)
    with_vat, whole = _vat_factor(vat_percent)
    if tax_included is TaxIncluded.YES:
        return (number * whole, scale * with_vat), ratio
    return ratio, (number * with_vat, scale * whole)


@lru_cache(maxsize=256)
def _vat_factor(vat_percent: Decimal) -> Ratio:
    """From the amount before tax to the one with it."""
    return (1 + Fraction(vat_percent) / 100).as_integer_ratio()


def vat_of(
    vat_percent: Decimal | None, default_vat_percent: Decimal | None, tax_included: TaxIncluded
) -> Decimal | None:
    """The rate that applies: the stated one, else the caller's; none where no tax is due."""
    if tax_included is TaxIncluded.NOT_APPLICABLE:
        return None
    return default_vat_percent if vat_percent is None else vat_percent


def apply_limits(
    spec: TariffSpec, lines: Sequence[CostLine], default_vat_percent: Decimal | None, span: Span
) -> Limited:
    """Bring the sum of `lines` within the tariff's highest and then its lowest price."""
    by_rate = vat_totals(lines)
    net = _sum([total.exact_net for total in by_rate])
    gross = _sum([total.exact_gross for total in by_rate])
    adjustments: list[CostLine] = []
    totals: Amounts = (net, gross)
    documents: Amounts = totals
    for kind, limit in ((LineKind.MAX_PRICE, spec.max_price), (LineKind.MIN_PRICE, spec.min_price)):
        if limit is None:
            continue
        missed = _missed(kind, limit, documents)
        added: list[CostLine] = []
        if missed and all(total is None or total > 0 for total in documents):
            factor = (min if kind is LineKind.MAX_PRICE else max)(missed)
            added = scaled(kind, factor, (*lines, *adjustments), spec, span)
        elif missed:
            added = [_topped_up(limit, documents, spec, default_vat_percent, span)]
        adjustments += added
        if not added:
            continue
        change = (known_sum([line.net_ratio for line in added]), known_sum([line.gross_ratio for line in added]))
        documents = _plus(documents[0], change[0]), _plus(documents[1], change[1])
        totals = (
            _clamped(kind, limit.net, totals[0], change[0]),
            _clamped(kind, limit.gross, totals[1], change[1]),
        )
    if adjustments:
        by_rate = vat_totals((*lines, *adjustments))
    return Limited(tuple(adjustments), by_rate, *totals)


def _sum(amounts: Sequence[Fraction | None]) -> Fraction | None:
    if len(amounts) == 1:
        return amounts[0]
    return known_sum([None if amount is None else amount.as_integer_ratio() for amount in amounts])


def _missed(kind: LineKind, limit: PriceLimit, totals: Amounts) -> list[Fraction]:
    """For each side that breaks its limit, the factor that would keep it (0 where none can)."""
    factors = []
    for stated, total in ((limit.net, totals[0]), (limit.gross, totals[1])):
        if stated is None or total is None:
            continue
        if total > stated if kind is LineKind.MAX_PRICE else total < stated:
            factors.append(Fraction(stated) / total if total > 0 else ZERO)
    return factors


def _clamped(
    kind: LineKind, stated: Decimal | None, total: Fraction | None, change: Fraction | None
) -> Fraction | None:
    """OCPI's total of one side: held to its own limit, or moved along where only the other side has one."""
    if stated is None:
        return _plus(total, change)
    if total is None:
        return None
    return (min if kind is LineKind.MAX_PRICE else max)(total, Fraction(stated))


def _plus(total: Fraction | None, change: Fraction | None) -> Fraction | None:
    return None if total is None or change is None else total + change


def scaled(
    kind: LineKind,
    factor: Fraction,
    lines: Sequence[CostLine],
    spec: TariffSpec,
    span: Span,
    matched: tuple[Condition, ...] = (),
) -> list[CostLine]:
    """What brings `lines` to `factor` times their sum, every VAT rate by its share."""
    adjustments = []
    for total in vat_totals(lines):
        net = None if total.exact_net is None else total.exact_net * (factor - 1)
        gross = None if total.exact_gross is None else total.exact_gross * (factor - 1)
        if net or gross:
            adjustments.append(adjustment(kind, total.vat_percent, (net, gross), spec, span, matched))
    return adjustments


def _topped_up(
    limit: PriceLimit, totals: Amounts, spec: TariffSpec, default_vat_percent: Decimal | None, span: Span
) -> CostLine:
    """A session without a positive price to scale: the lowest price is taxed like what the tariff sells."""
    vat_percent = _usual_vat(spec, default_vat_percent)
    untaxed = spec.tax_included is TaxIncluded.NOT_APPLICABLE
    short_net = _shortfall(limit.net, totals[0])
    short_gross = _shortfall(limit.gross, totals[1])
    if vat_percent is None and not untaxed:
        return adjustment(LineKind.MIN_PRICE, None, (short_net, short_gross), spec, span)
    factor = ONE if untaxed else 1 + Fraction(vat_percent or 0) / 100
    net = max(short_net or ZERO, (short_gross or ZERO) / factor)
    return adjustment(LineKind.MIN_PRICE, vat_percent, (net, net * factor), spec, span)


def _shortfall(stated: Decimal | None, total: Fraction | None) -> Fraction | None:
    return None if stated is None or total is None else max(Fraction(stated) - total, ZERO)


def _usual_vat(spec: TariffSpec, default_vat_percent: Decimal | None) -> Decimal | None:
    if spec.tax_included is TaxIncluded.NOT_APPLICABLE:
        return None
    named = spec.extensions
    for priced in (named.energy_tiers, named.spot) if named else ():
        if priced is not None and priced.vat_percent is not None:
            return priced.vat_percent
    for dimension in _BY_LIKELIHOOD:
        for element in spec.elements:
            component = element.component(dimension)
            if component is not None and component.vat_percent is not None:
                return component.vat_percent
    return default_vat_percent


def adjustment(
    kind: LineKind,
    vat_percent: Decimal | None,
    amounts: Amounts,
    spec: TariffSpec,
    span: Span,
    matched: tuple[Condition, ...] = (),
) -> CostLine:
    """A line over the whole session that adds or takes away (net, gross)."""
    net, gross = amounts
    first, second = (gross, net) if spec.tax_included is TaxIncluded.YES else (net, gross)
    price = first if first is not None else second
    return CostLine(
        kind=kind,
        quantity=ONE,
        measured=ONE,
        unit_price=decimal_of(price or ZERO),
        vat_percent=vat_percent,
        step_size=0,
        element=None,
        matched=matched,
        skipped=(),
        first_period=0,
        last_period=span.last_period,
        start_at=span.start_at,
        end_at=span.end_at,
        net_ratio=None if net is None else net.as_integer_ratio(),
        gross_ratio=None if gross is None else gross.as_integer_ratio(),
    )
