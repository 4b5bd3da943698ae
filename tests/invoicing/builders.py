"""A billed session, written straight to the tables, so that a test can say exactly what it cost and how it was paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from accounts.models import Driver
from billing.models import (
    Cdr,
    ChargingSession,
    CostLine,
    FundingLeg,
    LedgerAccount,
    LedgerTransaction,
    Payment,
    PaymentMethod,
    WalletLot,
)
from locations.models import Connector
from tests.factories import (
    ConnectorFactory,
    ContractFactory,
    DriverFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    TokenFactory,
    component,
    element,
    tariff_document,
)

# 14:02 in Berlin.
STARTED_AT = datetime(2026, 11, 20, 13, 2, tzinfo=UTC)
ENDED_AT = STARTED_AT + timedelta(hours=1, minutes=12)
_numbers = count(1)


@dataclass(frozen=True)
class Line:
    """A cost line as prices with VAT: what a consumer was shown. Net is the rest at `vat`."""

    kind: str
    quantity: str
    unit: str
    price: str
    vat: str = "19"
    explanation: Any = None

    def net(self, amount: Decimal) -> Decimal:
        return (amount * 100 / (100 + Decimal(self.vat))).quantize(Decimal("0.000000001"))


@dataclass(frozen=True)
class Leg:
    source: str
    amount: str
    state: str = "paid"


# 18.4 kWh and a start fee: 10.20 €, of which 1.63 € VAT.
LINES = (Line("ENERGY", "18.4", "kWh", "0.50"), Line("FLAT", "1", "1", "1.00"))
VAT_TOTALS = ({"percent": "19", "net": "8.57", "vat": "1.63", "gross": "10.20"},)
LEGS = (Leg("wallet_cash", "4.00"), Leg("card", "6.20"))
TARIFF = tariff_document(element(component("ENERGY", "0.50"), component("FLAT", "1.00")), tax_included="YES")


def ada(**changes: Any) -> Driver:
    details = {
        "name": "Ada Ström",
        "email": "ada@example.org",
        "address": "Kastanienweg 7",
        "postal_code": "10435",
        "city": "Berlin",
    }
    driver: Driver = DriverFactory(**(details | changes))
    return driver


def bill(
    *,
    driver: Driver | None = None,
    connector: Connector | None = None,
    lines: Sequence[Line] = LINES,
    vat_totals: Sequence[dict[str, str]] = VAT_TOTALS,
    legs: Sequence[Leg] = LEGS,
    currency: str = "EUR",
    ended_at: datetime = ENDED_AT,
    created_at: datetime | None = None,
) -> Cdr:
    """A settled session with its Cdr, cost lines and legs; a paid card leg has its payment, Ada's Visa ends in 4242."""
    driver = driver or ada()
    connector = connector or ConnectorFactory()
    contract = ContractFactory(driver=driver)
    version = TariffVersionFactory(document=TARIFF)
    assignment = NetworkAssignmentFactory(tariff=version.tariff)
    number = next(_numbers)
    gross = sum((Decimal(row["gross"]) for row in vat_totals), Decimal(0))
    session = ChargingSession.objects.create(
        charge_point=connector.charge_point,
        connector=connector,
        token=TokenFactory(driver=driver),
        driver=driver,
        contract=contract,
        tariff_version=version,
        tariff_digest=version.digest,
        tariff_assignment=assignment,
        currency=currency,
        vat_percent=Decimal(19),
        status=ChargingSession.Status.ENDED,
        outcome=ChargingSession.Outcome.BILLED,
        payment_status="paid" if all(leg.state == "paid" for leg in legs) else "due",
        started_at=ended_at - (ENDED_AT - STARTED_AT),
        stopped_at=ended_at,
        ended_at=ended_at,
        meter_start_wh=Decimal(1_203_500),
        meter_stop_wh=Decimal(1_221_900),
        energy_wh=Decimal(18_400),
    )
    posting = None
    if gross:
        posting = LedgerTransaction.objects.create(
            idempotency_key=f"test:{number}",
            content_hash="0" * 64,
            event="session",
            currency=currency,
            occurred_at=ended_at,
        )
    cdr = Cdr.objects.create(
        charging_session=session,
        ledger_transaction=posting,
        currency=currency,
        net=sum((Decimal(row["net"]) for row in vat_totals), Decimal(0)),
        vat=sum((Decimal(row["vat"]) for row in vat_totals), Decimal(0)),
        gross=gross,
        vat_totals=list(vat_totals),
        energy_wh=Decimal(18_400),
        duration_seconds=4320,
        tariff_digest=version.digest,
        rating_digest="0" * 64,
        **({"created_at": created_at} if created_at else {}),
    )
    CostLine.objects.bulk_create(_cost_line(cdr, seq, line) for seq, line in enumerate(lines, start=1))
    for seq, leg in enumerate(legs, start=1):
        _fund(cdr, driver, seq, leg)
    return cdr


def _cost_line(cdr: Cdr, seq: int, line: Line) -> CostLine:
    return CostLine(
        cdr=cdr,
        seq=seq,
        kind=line.kind,
        quantity=Decimal(line.quantity),
        unit=line.unit,
        unit_price=Decimal(line.price),
        vat_percent=Decimal(line.vat),
        net=line.net(Decimal(line.price) * Decimal(line.quantity)),
        explanation=line.explanation or {},
    )


def _fund(cdr: Cdr, driver: Driver, seq: int, leg: Leg) -> None:
    lot = None
    if leg.source.startswith("wallet"):
        wallet, _ = LedgerAccount.objects.get_or_create(
            key=f"wallet:driver:{driver.pk}:{cdr.currency}",
            defaults={"code": "wallet", "currency": cdr.currency, "driver": driver},
        )
        lot = WalletLot.objects.create(
            account=wallet,
            ledger_transaction=cdr.ledger_transaction,
            kind="cash" if leg.source == "wallet_cash" else "promo",
            origin="operator",
            amount=Decimal(leg.amount),
            remaining=Decimal(0),
        )
    row = FundingLeg.objects.create(
        cdr=cdr, seq=seq, source=leg.source, lot=lot, amount=Decimal(leg.amount), state=leg.state
    )
    if leg.source == "card":
        method, _ = PaymentMethod.objects.get_or_create(
            provider="fake",
            provider_reference=f"card-{driver.pk}",
            defaults={"driver": driver, "brand": "Visa", "last4": "4242", "is_default": True},
        )
        if leg.state == "paid":
            _pay(cdr, driver, method, row)


def _pay(cdr: Cdr, driver: Driver, method: PaymentMethod, leg: FundingLeg) -> None:
    number = next(_numbers)
    posting = LedgerTransaction.objects.create(
        idempotency_key=f"test:{number}",
        content_hash="0" * 64,
        event="payment",
        currency=cdr.currency,
        occurred_at=ENDED_AT,
    )
    Payment.objects.create(
        idempotency_key=f"test:payment:{number}",
        driver=driver,
        purpose=Payment.Purpose.SESSION,
        funding_leg=leg,
        method=method,
        provider="fake",
        provider_reference=f"payment-{number}",
        amount=leg.amount,
        currency=cdr.currency,
        status=Payment.Status.SUCCEEDED,
        finished_at=ENDED_AT + timedelta(minutes=1),
        ledger_transaction=posting,
    )
