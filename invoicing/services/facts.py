"""What a receipt says, gathered from the Cdr, its session and everything around them.

`content` of a Document, version 1, is JSON with strings for amounts and for moments (ISO 8601, UTC):

    version   1
    session   public_id, number, started_at, ended_at, time_zone, energy_wh, duration_seconds, meter_start_wh,
              meter_stop_wh
    place     name, address, postal_code, city, country, charge_point, connector, plug, power_type, max_power_w
    driver    contract, token
    tariff    name, version, digest, scope
    payment   [{source, amount, state, card, paid_at}] in the order of the waterfall
    online    address of the receipt's page, for the QR code
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import translation

from accounts.models import Driver
from billing.models import AdHocSession, Cdr, ChargingSession, CostLine, FundingLeg, Payment
from billing.selectors.payments import methods_for
from common import clock
from invoicing.domain.lines import PaperLine, RatedLine, RateTotal, paper_lines, with_vat
from invoicing.errors import LinesDoNotAddUp
from locations.models import LegalEntity, Location
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.spec import TaxIncluded
from tariffs.line_words import detail_words
from tariffs.models import TariffVersion


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """Everything a receipt freezes. `lines` and `totals` agree with each other and with the Cdr to the cent."""

    driver: Driver | None
    language: str
    legal_entity: LegalEntity
    seller: dict[str, str]
    buyer: dict[str, str]
    supplied_on: date
    country: str
    lines: list[PaperLine]
    totals: list[RateTotal]
    content: dict[str, Any]


def receipt_facts(cdr: Cdr) -> ReceiptFacts:
    """In words of the payer's language. Raises LinesDoNotAddUp when the Cdr's lines, totals and columns disagree."""
    session = ChargingSession.objects.select_related(
        "charge_point__location__legal_entity",
        "connector",
        "driver",
        "contract__contract_type",
        "token",
        "tariff_version__tariff",
        "tariff_assignment",
        "ad_hoc",
    ).get(pk=cdr.charging_session_id)
    location = session.charge_point.location
    ad_hoc: AdHocSession | None = getattr(session, "ad_hoc", None)
    payer = session.driver or ad_hoc
    if payer is None or session.ended_at is None:
        # Settlement bills neither a session that runs nor one of nobody.
        raise LinesDoNotAddUp
    totals = rate_totals(cdr)
    with translation.override(payer.language):
        rated = _rated_lines(cdr, session.tariff_version)
    return ReceiptFacts(
        driver=session.driver,
        language=payer.language,
        legal_entity=location.legal_entity,
        seller=_seller(location.legal_entity),
        buyer=_buyer(session.driver, email=payer.email),
        supplied_on=clock.local_date(session.ended_at, location.time_zone),
        country=location.country,
        lines=paper_lines(rated, totals, cdr.currency),
        totals=totals,
        content={
            "version": 1,
            "session": _session(session, cdr, location),
            "place": _place(session, location),
            "driver": {
                "contract": session.contract.contract_type.name if session.contract else "",
                "token": session.token.label if session.token else "",
            },
            "tariff": _tariff(session),
            "payment": _payment(cdr),
        },
    )


def rate_totals(cdr: Cdr) -> list[RateTotal]:
    """The Cdr's VAT totals, highest rate first. Raises LinesDoNotAddUp when they do not sum to its columns."""
    totals = [
        RateTotal(
            vat_percent=Decimal(row["percent"] or 0),
            net=Decimal(row["net"]),
            vat=Decimal(row["vat"]),
            gross=Decimal(row["gross"]),
        )
        for row in cdr.vat_totals
    ]
    sums = tuple(sum((getattr(row, name) for row in totals), Decimal(0)) for name in ("net", "vat", "gross"))
    if sums != (cdr.net, cdr.vat, cdr.gross) or any(row.net + row.vat != row.gross for row in totals):
        raise LinesDoNotAddUp
    return sorted(totals, key=lambda row: row.vat_percent, reverse=True)


def _rated_lines(cdr: Cdr, version: TariffVersion | None) -> list[RatedLine]:
    shown_with_vat = version is not None and parse_tariff_text(version.document).tax_included is TaxIncluded.YES
    return [_rated_line(line, shown_with_vat=shown_with_vat) for line in cdr.lines.order_by("seq")]


def _rated_line(line: CostLine, *, shown_with_vat: bool) -> RatedLine:
    vat_percent = line.vat_percent if line.vat_percent is not None else Decimal(0)
    return RatedLine(
        kind=line.kind,
        detail=detail_words(line.kind, line.explanation),
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price if shown_with_vat else with_vat(line.unit_price, vat_percent),
        vat_percent=vat_percent,
        net=line.net,
    )


def _seller(entity: LegalEntity) -> dict[str, str]:
    names = ("name", "address", "postal_code", "city", "country", "vat_id", "registration", "email", "time_zone")
    return {name: getattr(entity, name) for name in names}


def _buyer(driver: Driver | None, *, email: str) -> dict[str, str]:
    """A simplified invoice need not name its buyer, and who pays without an account has told nothing but an address."""
    names = ("name", "address", "postal_code", "city", "country")
    return {name: getattr(driver, name, "") for name in names} | {"email": email}


def _session(session: ChargingSession, cdr: Cdr, location: Location) -> dict[str, Any]:
    return {
        "public_id": str(session.public_id),
        "number": session.pk,
        "started_at": _moment(session.started_at),
        "ended_at": _moment(session.ended_at),
        "time_zone": location.time_zone,
        "energy_wh": _decimal(cdr.energy_wh),
        "duration_seconds": cdr.duration_seconds,
        "meter_start_wh": _decimal(session.meter_start_wh),
        "meter_stop_wh": _decimal(session.meter_stop_wh),
    }


def _place(session: ChargingSession, location: Location) -> dict[str, Any]:
    connector = session.connector
    return {
        "name": location.name,
        "address": location.address,
        "postal_code": location.postal_code,
        "city": location.city,
        "country": location.country,
        "charge_point": session.charge_point.identity,
        "connector": connector.number if connector else None,
        "plug": connector.standard if connector else "",
        "power_type": connector.power_type if connector else "",
        "max_power_w": connector.max_power_w if connector else None,
    }


def _tariff(session: ChargingSession) -> dict[str, Any]:
    version, assignment = session.tariff_version, session.tariff_assignment
    return {
        "name": version.tariff.name if version else "",
        "version": version.number if version else None,
        "digest": session.tariff_digest,
        "scope": assignment.scope if assignment else "",
    }


def _payment(cdr: Cdr) -> list[dict[str, str]]:
    paid = Payment.objects.filter(status=Payment.Status.SUCCEEDED).select_related("method")
    succeeded = {payment.funding_leg_id: payment for payment in paid.filter(funding_leg__cdr=cdr)}
    # Small ones are charged together with another session's.
    by_id = {payment.pk: payment for payment in paid.filter(legs_along__cdr=cdr)}
    usual = methods_for(cdr.charging_session).first()
    rows = []
    for leg in cdr.legs.order_by("seq"):
        payment = succeeded.get(leg.pk) or by_id.get(leg.collected_with_id or 0)
        method = payment.method if payment else usual
        by_card = leg.source == FundingLeg.Source.CARD
        rows.append(
            {
                "source": leg.source,
                "amount": _decimal(leg.amount),
                "state": leg.state,
                "card": str(method) if by_card and method and method.last4 else "",
                "paid_at": _moment(payment.finished_at if payment else None),
            }
        )
    return rows


def _decimal(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _moment(value: datetime | None) -> str:
    return "" if value is None else value.isoformat()
