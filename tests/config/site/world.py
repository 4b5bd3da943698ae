"""What the pages are about: Ada's sessions, rated by the production engine, beside her wallet and card."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from djmoney.money import Money

from accounts.models import Contract, Driver
from billing.domain.postings import credit, debit, receivable, system
from billing.models import ChargingSession, FundingLeg, MeterValue, Payment, PaymentMethod, WalletLot
from billing.services import ledger
from billing.services.settlement import settle_session
from billing.services.wallets import credit_wallet
from common.money import quantize_amount
from locations.models import Connector
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


def lot_of(
    driver: Driver, amount: str, kind: str = WalletLot.Kind.CASH, *, expires_at: datetime | None = None
) -> WalletLot:
    origin = WalletLot.Origin.GIFT if kind == WalletLot.Kind.PROMO else WalletLot.Origin.OPERATOR
    number = WalletLot.objects.count()
    return credit_wallet(
        driver_id=driver.pk,
        amount=Money(Decimal(amount), "EUR"),
        kind=kind,
        origin=origin,
        reason="goodwill",
        idempotency_key=f"test:lot:{number}",
        expires_at=expires_at,
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


def settled_session(
    driver: Driver,
    *,
    energy_wh: int = 15_000,
    minutes: int = 120,
    parked_minutes: int = 0,
    started_at: datetime = MORNING,
    card: PaymentMethod | None = None,
    connector: Connector | None = None,
) -> ChargingSession:
    """A session that ended and was settled: from the wallet as the contract says, the rest on `card` or still due."""
    session = running_session(driver, connector, started_at=started_at, start_reported_at=started_at)
    charged_until = started_at + timedelta(minutes=minutes)
    ended_at = charged_until + timedelta(minutes=parked_minutes)
    stop = session.meter_start_wh + energy_wh
    for measurand, value in ((MeterValue.Measurand.ENERGY, stop), (MeterValue.Measurand.CHARGING, Decimal(0))):
        MeterValue.objects.create(
            charging_session=session,
            occurred_at=charged_until,
            reported_at=charged_until,
            measurand=measurand,
            value=value,
        )
    ChargingSession.objects.filter(pk=session.pk).update(
        status="ended",
        stopped_at=ended_at,
        ended_at=ended_at,
        meter_stop_wh=stop,
        energy_wh=energy_wh,
        power_w=None,
    )
    cdr = settle_session(session_id=session.pk)
    assert cdr is not None
    if card is not None:
        for leg in cdr.legs.filter(source=FundingLeg.Source.CARD):
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
    FundingLeg.objects.filter(pk=leg.pk).update(state=FundingLeg.State.PAID)
    ChargingSession.objects.filter(cdr=leg.cdr).update(payment_status=ChargingSession.PaymentStatus.PAID)


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
