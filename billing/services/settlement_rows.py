"""A bill as the values of its rows: what both settlement writers put into the database."""

from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from billing.domain.postings import plain
from billing.domain.settlement import Bill
from billing.domain.waterfall import OPEN_ACCESS, WALLET_SOURCES, Leg
from billing.models import FundingLeg, Hold
from billing.services.legs import payment_status
from tariffs.domain.explain import line_document
from tariffs.domain.result import CostLine, PayableRate, decimal_of

# What a cost line keeps of its exact fractions.
_NINE_PLACES = Decimal("0.000000001")
_CAPTURED, _RELEASED = Hold.Status.CAPTURED.value, Hold.Status.RELEASED.value
_PAID, _DUE = FundingLeg.State.PAID.value, FundingLeg.State.DUE.value


class CdrRow(TypedDict):
    """The Cdr, without its keys. Numbers inside JSON columns are strings."""

    charging_session_id: int
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
    created_at: datetime


class LineRow(TypedDict):
    seq: int
    kind: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    vat_percent: Decimal | None
    net: Decimal
    explanation: dict[str, Any]


class LegRow(TypedDict):
    seq: int
    source: str
    lot_id: int | None
    amount: Decimal
    state: str


class HoldRow(TypedDict):
    """How a hold ends: captured for what the wallet's legs took of it, or released."""

    id: int
    status: str
    captured_amount: Decimal
    resolved_at: datetime


class BillRows(TypedDict):
    cdr: CdrRow
    lines: list[LineRow]
    legs: list[LegRow]
    holds: list[HoldRow]
    payment_status: str


def rows_of(bill: Bill, moment: datetime) -> BillRows:
    """All rows of a bill that is written at `moment`, by column."""
    legs = [_leg_row(leg) for leg in bill.legs]
    return {
        "cdr": _cdr_row(bill, moment),
        "lines": [line_row(seq, line) for seq, line in enumerate(bill.rated.lines, 1)],
        "legs": legs,
        "holds": [
            {
                "id": hold.id,
                "status": _CAPTURED if captured else _RELEASED,
                "captured_amount": captured,
                "resolved_at": moment,
            }
            for hold, captured in bill.captures()
        ],
        "payment_status": payment_status([leg["state"] for leg in legs]),
    }


def _cdr_row(bill: Bill, moment: datetime) -> CdrRow:
    return {
        "charging_session_id": bill.facts.session_id,
        "currency": bill.payable.currency,
        "net": bill.payable.net,
        "vat": bill.payable.vat,
        "gross": bill.payable.gross,
        "vat_totals": [totals_row(total) for total in bill.payable.rates],
        "energy_wh": bill.energy_wh,
        "duration_seconds": int(bill.duration.total_seconds()),
        "tariff_digest": bill.rated.tariff.digest,
        "rating_digest": bill.rated.digest,
        # As OCPI has it: each period ends where the next begins, the last one with the session.
        "periods": [
            {"start": period.start_at.isoformat(), "state": period.state, "energy_wh": plain(period.energy_wh)}
            for period in bill.periods
        ],
        "created_at": moment,
    }


def totals_row(total: PayableRate) -> dict[str, str | None]:
    """One row of `vat_totals`."""
    return {
        "percent": None if total.vat_percent is None else plain(total.vat_percent),
        "net": str(total.net),
        "vat": str(total.vat),
        "gross": str(total.gross),
    }


def _leg_row(leg: Leg) -> LegRow:
    """A wallet's and the operator's own legs are paid by the posting itself; the others are due."""
    is_paid = leg.source in WALLET_SOURCES or leg.source == OPEN_ACCESS
    return {
        "seq": leg.seq,
        "source": leg.source,
        "lot_id": leg.lot_id,
        "amount": leg.amount,
        "state": _PAID if is_paid else _DUE,
    }


def line_row(seq: int, line: CostLine) -> LineRow:
    return {
        "seq": seq,
        "kind": line.kind,
        "quantity": decimal_of(line.quantity).quantize(_NINE_PLACES),
        "unit": line.unit,
        "unit_price": line.unit_price.quantize(_NINE_PLACES),
        "vat_percent": line.vat_percent,
        "net": (line.net or Decimal(0)).quantize(_NINE_PLACES),
        "explanation": {
            name: str(value) if isinstance(value, Decimal) else value for name, value in line_document(line).items()
        },
    }
