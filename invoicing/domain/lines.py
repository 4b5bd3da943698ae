"""From cost lines to the lines on paper. Pure.

A consumer was shown prices with VAT, so a line's amount is gross and rounded for itself, while the total of a rate is
the Cdr's. What is lost between the two is printed as a line of its own, never spread over the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from common.currencies import quantize_amount, quantum
from invoicing.errors import LinesDoNotAddUp

ROUNDING_KIND = "ROUNDING"
_SIX_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class RatedLine:
    """A cost line of the Cdr: `net` unrounded, `unit_price` with VAT; `detail` says when or why it applied."""

    kind: str
    detail: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    vat_percent: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class RateTotal:
    """What the Cdr taxes at one rate, at the currency's exponent."""

    vat_percent: Decimal
    net: Decimal
    vat: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class PaperLine:
    """A line on paper: `unit_price` and `gross` with VAT, `gross` at the currency's exponent, `net` unrounded."""

    kind: str
    detail: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    vat_percent: Decimal
    net: Decimal
    gross: Decimal


def with_vat(amount: Decimal, percent: Decimal) -> Decimal:
    """`amount` plus `percent` % of it, to six places: Cdrs keep nine, the last of which are not exact."""
    return (amount * (100 + percent) / 100).quantize(_SIX_PLACES)


def paper_lines(rated: Sequence[RatedLine], totals: Sequence[RateTotal], currency: str) -> list[PaperLine]:
    """Lines of the same thing at the same price are one line; each rate ends on its total to the last cent.

    Raises LinesDoNotAddUp when a rate's lines miss its total by more than rounding can, or belong to no total.
    """
    lines = [
        PaperLine(
            kind=line.kind,
            detail=line.detail,
            quantity=line.quantity,
            unit=line.unit,
            unit_price=line.unit_price,
            vat_percent=line.vat_percent,
            net=line.net,
            gross=quantize_amount(with_vat(line.net, line.vat_percent), currency),
        )
        for line in _merged(rated)
    ]
    strangers = {line.vat_percent for line in lines if line.gross} - {total.vat_percent for total in totals}
    if strangers:
        raise LinesDoNotAddUp
    roundings = [_rounding(lines, total, currency) for total in totals]
    return lines + [line for line in roundings if line.gross]


def _merged(rated: Sequence[RatedLine]) -> list[RatedLine]:
    merged: dict[tuple[str, str, str, Decimal, Decimal], RatedLine] = {}
    for line in rated:
        key = (line.kind, line.detail, line.unit, line.unit_price, line.vat_percent)
        before = merged.get(key)
        merged[key] = (
            line
            if before is None
            else replace(line, quantity=before.quantity + line.quantity, net=before.net + line.net)
        )
    return list(merged.values())


def _rounding(lines: Sequence[PaperLine], total: RateTotal, currency: str) -> PaperLine:
    of_rate = [line.gross for line in lines if line.vat_percent == total.vat_percent]
    difference = total.gross - sum(of_rate, Decimal(0))
    # Half a unit is lost at most on each line, and on the net and the VAT of the total.
    if abs(difference) > quantum(currency) * (len(of_rate) + 2) / 2:
        raise LinesDoNotAddUp
    return PaperLine(
        kind=ROUNDING_KIND,
        detail="",
        quantity=Decimal(1),
        unit="1",
        unit_price=difference,
        vat_percent=total.vat_percent,
        net=Decimal(0),
        gross=difference,
    )
