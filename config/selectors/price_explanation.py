"""“Why this price”: the cost lines of a Cdr with their reasons, and how it was paid, in the reader's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from billing.models import Cdr, CdrRevision, ChargingSession, CostLine, FundingLeg, Payment
from common.currencies import quantize_amount
from invoicing.services.wording import source_words
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.spec import TariffSpec
from tariffs.line_words import calculation_words, kind_words, why_words

# Cdrs keep nine decimals of a line; the last of them are not exact.
_LINE_PLACES = Decimal("0.000001")


@dataclass(frozen=True)
class ExplainedLine:
    """One cost line. `calculation` is “12.345 kWh × 0.476 €/kWh”; `reasons` say why this price and no other.

    `net` is unrounded, `gross` as people read it.
    """

    label: str
    calculation: str
    net: Decimal
    vat_percent: Decimal | None
    gross: Decimal
    starts_at: datetime | None
    ends_at: datetime | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PaidPart:
    """One funding leg in words: “Card Visa •4242”, its state and when it was paid."""

    words: str
    state: str
    amount: Decimal
    is_paid: bool
    paid_at: datetime | None


@dataclass(frozen=True)
class KnownPrice:
    """What a session costs by what was known in [known_since, known_until); None: until now.

    `reason` says why it was corrected and is for operators; empty for the price it was billed at. `rounding`: the
    total with VAT, rounded once, less the lines as shown.
    """

    known_since: datetime
    known_until: datetime | None
    reason: str
    lines: tuple[ExplainedLine, ...]
    rounding: Decimal
    net: Decimal
    vat: Decimal
    gross: Decimal
    vat_totals: list[dict[str, str | None]]


@dataclass(frozen=True)
class Explanation:
    """Amounts are in the Cdr's currency. `price` is the one that counts, `former` those it replaced, newest first."""

    price: KnownPrice
    former: tuple[KnownPrice, ...]
    parts: tuple[PaidPart, ...]


def explain(session: ChargingSession, cdr: Cdr) -> Explanation:
    """Four queries, however many lines, corrections and legs. `session` comes with its tariff version."""
    paid = Prefetch(
        "payments",
        Payment.objects.filter(status=Payment.Status.SUCCEEDED).select_related("method"),
        to_attr="succeeded",
    )
    newest, *former = _prices(session, cdr)
    return Explanation(
        price=newest,
        former=tuple(former),
        parts=tuple(_part(leg) for leg in cdr.legs.prefetch_related(paid)),
    )


def _prices(session: ChargingSession, cdr: Cdr) -> list[KnownPrice]:
    """Every price the session has had, newest first; the last is the one it was billed at."""
    billed_by = session.tariff_version.document if session.tariff_version else None
    prices: list[KnownPrice] = []
    until: datetime | None = None
    for revision in cdr.revisions.select_related("session_correction__correction").order_by("-number"):
        correction = revision.session_correction.correction
        lines = [_stored_line(row) for row in revision.lines]
        prices.append(_price(revision, lines, correction.document, cdr.currency, until, correction.reason))
        until = revision.created_at
    return [*prices, _price(cdr, cdr.lines.all(), billed_by, cdr.currency, until)]


def _price(
    known: Cdr | CdrRevision,
    rows: Iterable[CostLine],
    document: str | None,
    currency: str,
    until: datetime | None,
    reason: str = "",
) -> KnownPrice:
    spec = parse_tariff_text(document) if document else None
    lines = tuple(_line(row, currency, spec) for row in rows)
    return KnownPrice(
        known_since=known.created_at,
        known_until=until,
        reason=reason,
        lines=lines,
        rounding=known.gross - sum((line.gross for line in lines), Decimal(0)),
        net=known.net,
        vat=known.vat,
        gross=known.gross,
        vat_totals=known.vat_totals,
    )


def _stored_line(row: dict[str, Any]) -> CostLine:
    """A cost line of a revision, which keeps its numbers as strings."""
    numbers = {name: Decimal(row[name]) for name in ("quantity", "unit_price", "net")}
    percent = row["vat_percent"]
    return CostLine(
        seq=row["seq"],
        kind=row["kind"],
        unit=row["unit"],
        vat_percent=None if percent is None else Decimal(percent),
        explanation=row["explanation"],
        **numbers,
    )


def _line(line: CostLine, currency: str, spec: TariffSpec | None) -> ExplainedLine:
    exact = (line.net * (100 + (line.vat_percent or 0)) / 100).quantize(_LINE_PLACES)
    why: dict[str, Any] = line.explanation
    return ExplainedLine(
        label=kind_words(line.kind),
        calculation=_calculation(line, exact, currency),
        net=line.net,
        vat_percent=line.vat_percent,
        gross=quantize_amount(exact, currency),
        starts_at=_moment(why.get("start_date_time")),
        ends_at=_moment(why.get("end_date_time")),
        reasons=tuple(why_words({"kind": line.kind, "unit": line.unit, **why}, spec)),
    )


def _calculation(line: CostLine, gross: Decimal, currency: str) -> str:
    """With the price per unit as people pay it; a share stays a share."""
    unit_price = line.unit_price
    if line.quantity and line.unit != currency:
        unit_price = (gross / line.quantity).quantize(_LINE_PLACES)
    return calculation_words(line.kind, line.unit, line.quantity, unit_price, currency)


def _part(leg: FundingLeg) -> PaidPart:
    payments: list[Payment] = leg.succeeded  # type: ignore[attr-defined]
    payment = payments[0] if payments else None
    card = f" {payment.method}" if payment and payment.method else ""
    return PaidPart(
        words=f"{source_words(leg.source)}{card}",
        state=str(leg.get_state_display()),
        amount=leg.amount,
        is_paid=leg.state == FundingLeg.State.PAID,
        paid_at=payment.finished_at if payment else None,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
