"""A document as people read it: every value already in words and in the locale's form.

The paper and the page are drawn from the same `Paper`, so they cannot disagree. Nothing but the frozen rows of the
document goes in: the same document gives the same Paper for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import translation
from django.utils.translation import pgettext

from billing.models import FundingLeg
from common.formats import (
    day_words,
    exact_duration_words,
    exact_energy_words,
    money_words,
    number_words,
    percent_words,
    span_words,
    unit_price_words,
)
from common.units import SECONDS_PER_HOUR, wh_to_kwh
from invoicing.domain.lines import ROUNDING_KIND
from invoicing.models import Document, DocumentLine, DocumentVatTotal
from invoicing.services.wording import PLUGS, scope_words, source_words

# Lines that are amounts, not a quantity at a price.
_PLAIN_KINDS = frozenset({"MIN_PRICE", "MAX_PRICE", ROUNDING_KIND})


@dataclass(frozen=True, slots=True)
class Party:
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class LineRow:
    description: str
    detail: str
    quantity: str
    unit_price: str
    vat: str
    gross: str


@dataclass(frozen=True, slots=True)
class VatRow:
    rate: str
    net: str
    vat: str
    gross: str


@dataclass(frozen=True, slots=True)
class PaymentRow:
    words: str
    state: str
    amount: str
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Paper:
    """`language` is the BCP 47 tag of the words; `issued_at` is ISO 8601, for the file's own metadata."""

    language: str
    number: str
    title: str
    issued_at: str
    issued_on: str
    supplied_on: str
    total: str
    total_vat: str
    total_net: str
    summary: str
    paid_words: str
    is_settled: bool
    seller: Party
    seller_foot: str
    buyer: Party
    facts: tuple[Fact, ...]
    lines: tuple[LineRow, ...]
    vat_rows: tuple[VatRow, ...]
    payments: tuple[PaymentRow, ...]
    reasons: tuple[str, ...]
    online: str


def present(document: Document) -> Paper:
    """The Paper of an issued document. Two queries."""
    with translation.override(document.language):
        return _present(document, list(document.lines.all()), list(document.vat_totals.all()))


def _present(document: Document, lines: Sequence[DocumentLine], totals: Sequence[DocumentVatTotal]) -> Paper:
    if document.issued_at is None or document.issued_on is None:
        raise ValueError("a draft has nothing to present")
    content: dict[str, Any] = document.content
    currency = document.currency
    payments = tuple(_payment(row, currency, content["session"]["time_zone"]) for row in content["payment"])
    return Paper(
        language=document.language,
        number=document.number,
        title=pgettext("document", "Receipt"),
        issued_at=document.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        issued_on=day_words(document.issued_on),
        supplied_on=day_words(document.supplied_on),
        total=_money(document.gross, currency),
        total_vat=_money(document.vat, currency),
        total_net=_money(document.net, currency),
        summary=_summary(content),
        paid_words=_paid_words(content["payment"], currency),
        is_settled=all(row.is_settled for row in payments),
        seller=_seller(document.seller),
        seller_foot=" · ".join(
            filter(None, [document.seller["name"], document.seller["registration"], document.seller["vat_id"]])
        ),
        buyer=_buyer(document.buyer),
        facts=_facts(content),
        lines=tuple(_line(line, currency) for line in lines),
        vat_rows=tuple(_vat_row(total, currency) for total in totals),
        payments=payments,
        reasons=_reasons(content, lines),
        online=content["online"],
    )


def _summary(content: dict[str, Any]) -> str:
    session, place = content["session"], content["place"]
    started_at = datetime.fromisoformat(session["started_at"])
    return pgettext("document", "%(energy)s kWh at %(place)s, %(city)s, on %(day)s") % {
        "energy": number_words(_kwh(session["energy_wh"]), 3),
        "place": place["name"],
        "city": place["city"],
        "day": day_words(started_at.astimezone(ZoneInfo(session["time_zone"])).date()),
    }


def _seller(seller: dict[str, str]) -> Party:
    return Party(
        name=seller["name"],
        lines=tuple(
            filter(
                None,
                [
                    *_address(seller),
                    pgettext("document", "VAT id %(vat_id)s") % seller if seller["vat_id"] else "",
                    seller["registration"],
                    seller["email"],
                ],
            )
        ),
    )


def _buyer(buyer: dict[str, str]) -> Party:
    name = buyer["name"] or pgettext("document", "Customer without an account")
    return Party(name=name, lines=tuple(filter(None, [*_address(buyer), buyer["email"]])))


def _address(party: dict[str, str]) -> list[str]:
    """Street, then post code and city; the country only beside a place."""
    city = " ".join(filter(None, [party["postal_code"], party["city"]]))
    if not (city or party["address"]):
        return []
    return [party["address"], ", ".join(filter(None, [city, party["country"]]))]


def _facts(content: dict[str, Any]) -> tuple[Fact, ...]:
    session, place = content["session"], content["place"]
    started_at, ended_at = (datetime.fromisoformat(session[name]) for name in ("started_at", "ended_at"))
    facts = [
        Fact(pgettext("document", "Place"), ", ".join(filter(None, [place["name"], *_address(place)])), is_long=True),
        Fact(pgettext("document", "Charge point"), _charge_point(place), is_long=True),
        Fact(pgettext("document", "Time"), span_words(started_at, ended_at, session["time_zone"])),
        Fact(pgettext("document", "Duration"), exact_duration_words(session["duration_seconds"])),
        Fact(pgettext("document", "Energy"), exact_energy_words(_kwh(session["energy_wh"]))),
        Fact(pgettext("document", "Meter"), _meter(session)),
        Fact(pgettext("document", "Session"), f"#{session['number']}"),
        Fact(pgettext("document", "Started with"), content["driver"]["token"]),
    ]
    return tuple(fact for fact in facts if fact.value)


def _charge_point(place: dict[str, Any]) -> str:
    if place["connector"] is None:
        return str(place["charge_point"])
    return pgettext("document", "%(charge_point)s, connector %(number)s (%(plug)s, %(power)s kW %(current)s)") % {
        "charge_point": place["charge_point"],
        "number": place["connector"],
        "plug": PLUGS.get(place["plug"], place["plug"]),
        "power": number_words(wh_to_kwh(Decimal(place["max_power_w"])), 1),
        "current": place["power_type"],
    }


def _meter(session: dict[str, Any]) -> str:
    if not (session["meter_start_wh"] and session["meter_stop_wh"]):
        return ""
    start, stop = (exact_energy_words(_kwh(session[name])) for name in ("meter_start_wh", "meter_stop_wh"))
    return f"{start} → {stop}"


def _line(line: DocumentLine, currency: str) -> LineRow:
    is_plain = line.kind in _PLAIN_KINDS
    per_unit = "" if line.unit == "1" else f"/{line.unit}"
    return LineRow(
        description=line.description,
        detail=line.detail,
        quantity="" if is_plain else _quantity(line),
        unit_price="" if is_plain else f"{unit_price_words(line.unit_price, currency)}{per_unit}",
        vat=percent_words(line.vat_percent),
        gross=_money(line.gross, currency),
    )


def _quantity(line: DocumentLine) -> str:
    if line.unit == "h":
        return exact_duration_words(int((line.quantity * SECONDS_PER_HOUR).to_integral_value()))
    if line.unit == "kWh":
        return exact_energy_words(line.quantity)
    return number_words(line.quantity, 0)


def _vat_row(total: DocumentVatTotal, currency: str) -> VatRow:
    return VatRow(
        rate=percent_words(total.percent),
        net=_money(total.net, currency),
        vat=_money(total.vat, currency),
        gross=_money(total.gross, currency),
    )


def _payment(row: dict[str, str], currency: str, time_zone: str) -> PaymentRow:
    is_settled = row["state"] == FundingLeg.State.PAID
    return PaymentRow(
        words=source_words(row["source"]) + (f" {row['card']}" if row["card"] else ""),
        state=_state_words(row, time_zone),
        amount=_money(Decimal(row["amount"]), currency),
        is_settled=is_settled,
    )


def _state_words(row: dict[str, str], time_zone: str) -> str:
    if row["state"] == FundingLeg.State.PAID:
        if not row["paid_at"]:
            return pgettext("document", "Paid")
        paid_on = datetime.fromisoformat(row["paid_at"]).astimezone(ZoneInfo(time_zone)).date()
        return pgettext("document", "Paid on %(day)s") % {"day": day_words(paid_on)}
    if row["state"] == FundingLeg.State.REQUIRES_ACTION:
        return pgettext("document", "Waits for your confirmation to your bank")
    if row["source"] == FundingLeg.Source.CARD:
        return pgettext("document", "To be charged to your card")
    return pgettext("document", "Still to be paid")


def _paid_words(rows: Sequence[dict[str, str]], currency: str) -> str:
    """“4.00 € from wallet, 6.20 € card Visa •4242”, and what is still to be charged."""
    parts = []
    for row in rows:
        words = {"amount": _money(Decimal(row["amount"]), currency), "card": row["card"]}
        is_paid = row["state"] == FundingLeg.State.PAID
        match row["source"]:
            case FundingLeg.Source.WALLET_CASH:
                parts.append(pgettext("document", "%(amount)s from wallet") % words)
            case FundingLeg.Source.WALLET_PROMO:
                parts.append(pgettext("document", "%(amount)s from promotional credit") % words)
            case FundingLeg.Source.CARD if is_paid:
                parts.append((pgettext("document", "%(amount)s from card %(card)s") % words).strip())
            case FundingLeg.Source.CARD:
                parts.append((pgettext("document", "%(amount)s to be charged to card %(card)s") % words).strip())
            case FundingLeg.Source.OPEN_ACCESS:
                parts.append(pgettext("document", "%(amount)s paid by the operator") % words)
            case _:
                parts.append(pgettext("document", "%(amount)s still to be paid") % words)
    return ", ".join(parts)


def _reasons(content: dict[str, Any], lines: Sequence[DocumentLine]) -> tuple[str, ...]:
    tariff, contract = content["tariff"], content["driver"]["contract"]
    kinds = {line.kind for line in lines}
    reasons = []
    if tariff["name"]:
        reasons.append(
            pgettext("document", "The price list “%(name)s”, version %(version)s, applies %(scope)s.")
            % {"name": tariff["name"], "version": tariff["version"], "scope": scope_words(tariff["scope"])}
        )
    reasons.append(
        pgettext("document", "It was fixed when the session was authorised; later changes do not touch this session.")
    )
    if contract:
        reasons.append(pgettext("document", "Your contract at that time: “%(contract)s”.") % {"contract": contract})
    if "MIN_PRICE" in kinds:
        reasons.append(
            pgettext("document", "The price list has a minimum price for a session, which this session did not reach.")
        )
    if "MAX_PRICE" in kinds:
        reasons.append(
            pgettext("document", "The price list has a maximum price for a session, which this session would exceed.")
        )
    if ROUNDING_KIND in kinds:
        reasons.append(
            pgettext(
                "document", "Each line is rounded for itself, the total only once; the rounding line is the difference."
            )
        )
    reasons.append(
        pgettext("document", "All prices include VAT. VAT is computed on the total of each rate, not line by line.")
    )
    return tuple(reasons)


def _kwh(energy_wh: str) -> Decimal:
    return wh_to_kwh(Decimal(energy_wh))


def _money(amount: Decimal, currency: str) -> str:
    """With a real minus sign, which digits line up with."""
    return money_words(amount, currency).replace("-", "\N{MINUS SIGN}")
