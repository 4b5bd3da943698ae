"""A quote as plain JSON values: what `manage.py quote --json` and the API answer."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing.services.quotes import Quote
from common.units import wh_to_kwh
from tariffs.domain.explain import session_document, shown
from tariffs.selectors.price_card import PriceCard


def quote_document(quote: Quote) -> dict[str, Any]:
    """Where, for whom and when; the tariff and why it applies; the price card; the session asked for; the worst case.

    Numbers are Decimals for `jsontext.dumps`. Energy in kWh, moments in UTC. `total_cost`, `payable`, `lines` and
    `digest` are there only where a session was asked for.
    """
    connector, version = quote.connector, quote.tariff_version
    document: dict[str, Any] = {
        "connector": connector.code,
        "charge_point": connector.charge_point.identity,
        "connector_number": connector.number,
        "location": connector.charge_point.location.code,
        "driver": quote.driver.email if quote.driver is not None else None,
        "at": _moment(quote.at),
        "time_zone": quote.tariff.time_zone,
        "currency": quote.tariff.spec.currency,
        "vat_percent": quote.vat_percent,
        "tariff": {
            "code": version.tariff.code,
            "name": version.tariff.name,
            "version": version.number,
            "digest": version.digest,
        },
        "trace": quote.trace,
        "price_card": card_document(quote.card),
        "inputs": _inputs(quote),
        "worst_case": {
            "minutes": quote.worst_case.minutes,
            "kwh": shown(wh_to_kwh(quote.worst_case.energy_wh)),
            "gross": quote.worst_case.gross,
            "to_start": quote.worst_case.to_start,
        },
    }
    if quote.example is not None:
        rated, payable = session_document(quote.example), quote.example.payable()
        document |= {
            "session": {"kwh": shown(wh_to_kwh(quote.energy_wh or Decimal(0))), "minutes": quote.minutes},
            "total_cost": rated["total_cost"],
            "payable": {"net": payable.net, "vat": payable.vat, "gross": payable.gross},
            "lines": rated["lines"],
            "free": rated["free"],
            "digest": rated["digest"],
        }
    return document


def card_document(card: PriceCard) -> dict[str, Any]:
    """The price card: what a person reads, all prices with tax."""
    return {
        "sentence": card.sentence,
        "rows": [
            {"name": row.label, "price": row.price, "when": row.when, "steps": row.steps, "gross": shown(row.gross)}
            for row in card.rows
        ],
        "limits": list(card.limits),
        "tax_note": card.tax_note,
        "example": card.example,
    }


def _inputs(quote: Quote) -> dict[str, Any]:
    """The market prices and the month's energy the price depends on; empty where it depends on neither."""
    inputs: dict[str, Any] = {}
    if quote.frozen.spot_prices:
        inputs["spot_prices"] = [
            {"start": _moment(step.start_at), "end": _moment(step.end_at), "price": shown(step.price)}
            for step in quote.frozen.spot_prices
        ]
    if quote.frozen.month_to_date_wh is not None:
        inputs["month_to_date_kwh"] = shown(wh_to_kwh(quote.frozen.month_to_date_wh))
    return inputs


def quote_text(quote: Quote) -> str:
    """The same for a person at a terminal."""
    connector, local = quote.connector, quote.at.astimezone(ZoneInfo(quote.tariff.time_zone))
    whom = quote.driver.email if quote.driver is not None else "anybody without a contract"
    lines = [
        f"{connector.code} ({connector}), {connector.charge_point.location}, for {whom}, {local:%Y-%m-%d %H:%M %Z}",
        f"Tariff {quote.tariff_version}",
        "",
        quote.card.sentence,
        *(f"  {row.label}: {row.price}" + (f" ({row.when})" if row.when else "") for row in quote.card.rows),
        quote.card.tax_note,
        f"For example {quote.card.example}",
    ]
    if quote.example is not None:
        payable = quote.example.payable()
        lines += ["", f"{wh_to_kwh(quote.energy_wh or Decimal(0)).normalize():f} kWh in {quote.minutes} min:"]
        for line in quote.example.lines:
            because = ", ".join(condition.words for condition in line.matched)
            quantity, price, gross = (shown(value) for value in (line.quantity, line.unit_price, line.exact_gross))
            lines.append(f"  {line.kind}: {quantity} {line.unit} x {price} = {gross} {because}".rstrip())
        lines.append(f"  To pay: {payable.gross} {payable.currency}, {payable.vat} of it VAT")
    most = quote.worst_case
    lines += ["", f"At most {most.gross} {quote.tariff.spec.currency} for {most.minutes} min at the connector's power."]
    lines.append(f"A wallet must hold {most.to_start} {quote.tariff.spec.currency} to start.")
    return "\n".join(lines)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
