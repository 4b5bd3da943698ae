"""What the pages are about: Ada's sessions, rated by the production engine, beside her wallet and card."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from djmoney.money import Money

from accounts.models import Contract, Driver
from billing.domain.postings import credit, debit, receivable, system, wallet
from billing.models import (
    Cdr,
    ChargingSession,
    CostLine,
    FundingLeg,
    MeterValue,
    Payment,
    PaymentMethod,
    WalletLot,
)
from billing.services import ledger
from billing.services.wallets import credit_wallet
from common.money import quantize_amount
from locations.models import Connector
from tariffs.domain import jsontext
from tariffs.domain.compiled import compile_tariff
from tariffs.domain.explain import line_document
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.rating import rate
from tariffs.domain.spec import Period, PeriodState
from tariffs.models import TariffVersion
from tests.factories import (
    ConnectorFactory,
    ContractFactory,
    ContractTypeFactory,
    DriverFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    TokenFactory,
    VatRateFactory,
)

MORNING = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
VAT = Decimal(19)


def priced_network(document: str | None = None) -> TariffVersion:
    """A tariff for the whole network, 19 % VAT in Germany."""
    VatRateFactory()
    version: TariffVersion = TariffVersionFactory(**({"document": document} if document else {}))
    NetworkAssignmentFactory(tariff=version.tariff)
    return version


def reachable_connector(**options: object) -> Connector:
    """A free connector of a charge point that is connected."""
    options.setdefault("status", Connector.Status.AVAILABLE)
    return ConnectorFactory(evse__charge_point__is_connected=True, **options)


def driver_with(*traits: str, email: str = "ada@example.org", name: str = "Ada") -> Driver:
    """A driver with a contract of the factory's traits (credit, wallet ...) and a card for charge points."""
    driver: Driver = DriverFactory(user__email=email, user__name=name, name=name)
    ContractFactory(driver=driver, contract_type=ContractTypeFactory(**dict.fromkeys(traits, True)))
    TokenFactory(driver=driver, label=f"{name}'s card")
    return driver


def card_of(driver: Driver) -> PaymentMethod:
    number = PaymentMethod.objects.count()
    return PaymentMethod.objects.create(
        driver=driver,
        provider="fake",
        provider_reference=f"pm_{number}",
        brand="Visa",
        last4="4242",
        is_default=not driver.payment_methods.filter(is_default=True).exists(),
    )


def lot_of(driver: Driver, amount: str, kind: str = WalletLot.Kind.CASH, **options: object) -> WalletLot:
    origin = WalletLot.Origin.GIFT if kind == WalletLot.Kind.PROMO else WalletLot.Origin.OPERATOR
    number = WalletLot.objects.count()
    return credit_wallet(
        driver_id=driver.pk,
        amount=Money(Decimal(amount), "EUR"),
        kind=kind,
        origin=origin,
        reason="goodwill",
        idempotency_key=f"test:lot:{number}",
        **options,
    )


def running_session(driver: Driver, connector: Connector | None = None, **values: object) -> ChargingSession:
    """Ada has been charging for half an hour: 5.5 kWh, 2.62 €."""
    connector = connector or reachable_connector(status=Connector.Status.CHARGING)
    token = driver.tokens.first()
    values = {
        "status": ChargingSession.Status.ACTIVE,
        "started_at": MORNING,
        "start_reported_at": MORNING,
        "meter_start_wh": Decimal(1000),
        "energy_wh": Decimal(5500),
        "power_w": Decimal(11000),
        "live_gross": Decimal("2.62"),
        "live_at": MORNING + timedelta(minutes=30),
        **values,
    }
    return ChargingSession.objects.create(
        charge_point=connector.charge_point,
        connector=connector,
        id_tag=token.id_tag if token else "",
        token=token,
        driver=driver,
        contract=Contract.objects.filter(driver=driver).first(),
        tariff_version=TariffVersion.objects.order_by("-pk").first(),
        currency="EUR",
        vat_percent=VAT,
        **values,
    )


@transaction.atomic
def settled_session(
    driver: Driver,
    *,
    energy_wh: int = 15_000,
    minutes: int = 120,
    parked_minutes: int = 0,
    started_at: datetime = MORNING,
    from_wallet: str = "0",
    card: PaymentMethod | None = None,
    connector: Connector | None = None,
) -> ChargingSession:
    """A session rated by the tariff in force, paid `from_wallet` (of its first lot) and by card; unpaid without one."""
    session = running_session(driver, connector, started_at=started_at, start_reported_at=started_at)
    charged_until = started_at + timedelta(minutes=minutes)
    ended_at = charged_until + timedelta(minutes=parked_minutes)
    version = session.tariff_version
    assert version is not None
    periods = [Period(started_at, charged_until, energy_wh=Decimal(energy_wh))]
    if parked_minutes:
        periods.append(Period(charged_until, ended_at, PeriodState.PARKED))
    rated = rate(
        compile_tariff(parse_tariff_text(version.document), "Europe/Berlin"), periods, default_vat_percent=VAT
    )
    payable = rated.payable()
    wallet_part = Decimal(from_wallet)
    card_part = payable.gross - wallet_part
    ChargingSession.objects.filter(pk=session.pk).update(
        status="ended",
        outcome="billed",
        payment_status="paid" if card or not card_part else "due",
        stopped_at=charged_until,
        ended_at=ended_at,
        meter_stop_wh=session.meter_start_wh + energy_wh,
        energy_wh=energy_wh,
        power_w=None,
        live_gross=payable.gross,
    )
    postings = [credit(system("revenue_energy", "EUR"), payable.gross)]
    if wallet_part:
        postings.append(debit(wallet(driver.pk, "EUR"), wallet_part))
    if card_part:
        postings.append(debit(receivable(driver.pk, "EUR"), card_part))
    cdr = Cdr.objects.create(
        charging_session=session,
        ledger_transaction=ledger.post(
            idempotency_key=f"session:{session.public_id}:settled",
            event="session_settled",
            occurred_at=ended_at,
            currency="EUR",
            postings=postings,
        ),
        currency="EUR",
        net=payable.net,
        vat=payable.vat,
        gross=payable.gross,
        vat_totals=[
            {"percent": str(row.vat_percent), "net": str(row.net), "vat": str(row.vat), "gross": str(row.gross)}
            for row in payable.rates
        ],
        energy_wh=energy_wh,
        duration_seconds=(ended_at - started_at) // timedelta(seconds=1),
        tariff_digest=version.digest,
        rating_digest=rated.digest,
    )
    for seq, line in enumerate(rated.lines, start=1):
        document = json.loads(jsontext.dumps(line_document(line)))
        CostLine.objects.create(
            cdr=cdr,
            seq=seq,
            kind=line.kind.value,
            quantity=Decimal(str(document["quantity"])).quantize(Decimal("1e-9")),
            unit=line.unit,
            unit_price=line.unit_price,
            vat_percent=line.vat_percent,
            net=Decimal(str(document["net"])).quantize(Decimal("1e-9")),
            explanation=document,
        )
    if wallet_part:
        lot = WalletLot.objects.filter(account__driver=driver).order_by("pk").first()
        WalletLot.objects.filter(pk=lot.pk).update(remaining=lot.remaining - wallet_part)
        FundingLeg.objects.create(
            cdr=cdr, seq=1, source=FundingLeg.Source.WALLET_CASH, lot=lot, amount=wallet_part, state="paid"
        )
    if card_part:
        leg = FundingLeg.objects.create(
            cdr=cdr, seq=2, source=FundingLeg.Source.CARD, amount=card_part, state="paid" if card else "due"
        )
        if card:
            _pay(leg, driver, card, ended_at)
    session.refresh_from_db()
    return session


def _pay(leg: FundingLeg, driver: Driver, card: PaymentMethod, at: datetime) -> None:
    Payment.objects.create(
        idempotency_key=f"leg:{leg.pk}",
        driver=driver,
        purpose=Payment.Purpose.SESSION,
        funding_leg=leg,
        method=card,
        provider="fake",
        amount=leg.amount,
        currency="EUR",
        status=Payment.Status.SUCCEEDED,
        finished_at=at,
        ledger_transaction=ledger.post(
            idempotency_key=f"leg:{leg.pk}:paid",
            event="card_payment",
            occurred_at=at,
            currency="EUR",
            postings=[
                debit(system("psp_clearing", "EUR"), leg.amount),
                credit(receivable(driver.pk, "EUR"), leg.amount),
            ],
        ),
    )


def meter(session: ChargingSession, *, points: int = 13, power_w: int = 11_000) -> None:
    """Power every ten minutes from the start, falling towards the end as a full battery makes it."""
    for index in range(points):
        at = session.started_at + timedelta(minutes=10 * index)
        value = power_w if index < points - 4 else power_w * (points - index) // 5
        MeterValue.objects.create(
            charging_session=session,
            occurred_at=at,
            reported_at=at,
            measurand=MeterValue.Measurand.POWER,
            value=quantize_amount(Decimal(value), "EUR"),
        )
