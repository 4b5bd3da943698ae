"""A bill as the values of its rows: what both settlement writers put into the database."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.domain.postings import plain
from billing.domain.settlement import Bill
from billing.domain.waterfall import OPEN_ACCESS, WALLET_SOURCES, Leg
from billing.models import FundingLeg, Hold
from billing.services.legs import payment_status
from tariffs.domain.explain import line_document
from tariffs.domain.result import CostLine, decimal_of

# What a cost line keeps of its exact fractions.
_NINE_PLACES = Decimal("0.000000001")
_CAPTURED, _RELEASED = Hold.Status.CAPTURED, Hold.Status.RELEASED


@dataclass(frozen=True, slots=True)
class CdrRow:
    """Columns of the Cdr, without its key, session and posting. Numbers inside JSON are strings."""

    currency: str
    net: Decimal
    vat: Decimal
    gross: Decimal
    vat_totals: list[dict[str, str | None]]
    energy_wh: Decimal
    duration_seconds: int
    tariff_digest: str
    rating_digest: str
    periods: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class LineRow:
    seq: int
    kind: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    vat_percent: Decimal | None
    net: Decimal
    explanation: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LegRow:
    seq: int
    source: str
    lot_id: int | None
    amount: Decimal
    state: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """How a hold ends: captured for what the wallet's legs took of it, or released."""

    id: int
    status: str
    captured_amount: Decimal
    resolved_at: datetime


@dataclass(frozen=True, slots=True)
class BillRows:
    cdr: CdrRow
    lines: list[LineRow]
    legs: list[LegRow]
    holds: list[HoldRow]
    payment_status: str


def rows_of(bill: Bill, moment: datetime) -> BillRows:
    """All rows of a bill that is written at `moment`."""
    legs = [LegRow(leg.seq, leg.source, leg.lot_id, leg.amount, _state_of(leg)) for leg in bill.legs]
    return BillRows(
        cdr=CdrRow(
            currency=bill.payable.currency,
            net=bill.payable.net,
            vat=bill.payable.vat,
            gross=bill.payable.gross,
            vat_totals=[
                {
                    "percent": None if total.vat_percent is None else plain(total.vat_percent),
                    "net": str(total.net),
                    "vat": str(total.vat),
                    "gross": str(total.gross),
                }
                for total in bill.payable.rates
            ],
            energy_wh=bill.energy_wh,
            duration_seconds=int(bill.duration.total_seconds()),
            tariff_digest=bill.rated.tariff.digest,
            rating_digest=bill.rated.digest,
            periods=[
                {
                    "start": period.start_at.isoformat(),
                    "end": period.end_at.isoformat(),
                    "state": period.state.value,
                    "energy_wh": plain(period.energy_wh),
                }
                for period in bill.periods
            ],
        ),
        lines=[_line_row(seq, line) for seq, line in enumerate(bill.rated.lines, 1)],
        legs=legs,
        holds=[
            HoldRow(hold.id, (_CAPTURED if captured else _RELEASED).value, captured, moment)
            for hold, captured in bill.captures()
        ],
        payment_status=payment_status([leg.state for leg in legs]),
    )


def _state_of(leg: Leg) -> str:
    """A wallet's and the operator's own legs are paid by the posting itself; the others are due."""
    is_paid = leg.source in WALLET_SOURCES or leg.source == OPEN_ACCESS
    return FundingLeg.State.PAID.value if is_paid else FundingLeg.State.DUE.value


def _line_row(seq: int, line: CostLine) -> LineRow:
    explanation = {
        name: str(value) if isinstance(value, Decimal) else value for name, value in line_document(line).items()
    }
    return LineRow(
        seq=seq,
        kind=line.kind.value,
        quantity=decimal_of(line.quantity).quantize(_NINE_PLACES),
        unit=line.unit,
        unit_price=line.unit_price.quantize(_NINE_PLACES),
        vat_percent=line.vat_percent,
        net=(line.net or Decimal(0)).quantize(_NINE_PLACES),
        explanation=explanation,
    )
