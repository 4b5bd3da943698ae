"""Sessions ready to be settled, and Ada's wallet filled. People and places come from tests.factories."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import factory

from accounts.models import Driver
from billing.models import ChargingSession, LedgerTransaction, MeterValue, WalletLot
from billing.services.wallets import credit_wallet
from common.money import Money
from tests.factories import (
    ConnectorFactory,
    ContractFactory,
    ModelFactory,
    TariffVersionFactory,
    component,
    element,
    tariff_document,
)

NOON = datetime(2025, 6, 16, 12, tzinfo=UTC)

# 15 kWh cost 10.20 with 19 % VAT: 8.57 net, 1.63 VAT. Not a round price per kWh, but the round sum of the story.
PRICE_OF_TEN_TWENTY = "0.571333333"


def ten_twenty_document() -> str:
    return tariff_document(element(component("ENERGY", PRICE_OF_TEN_TWENTY)))


class EndedSessionFactory(ModelFactory[ChargingSession]):
    """Ada charged 15 kWh from noon for an hour at an AC connector in Berlin: 10.20 EUR. Pay as you go, not settled."""

    class Meta:
        model = ChargingSession
        skip_postgeneration_save = True

    class Params:
        contract_type = factory.SubFactory("tests.factories.ContractTypeFactory")
        minutes = 60
        used_wh = 15_000

    connector = factory.SubFactory(ConnectorFactory)
    charge_point = factory.SelfAttribute("connector.charge_point")
    contract = factory.SubFactory(ContractFactory, contract_type=factory.SelfAttribute("..contract_type"))
    driver = factory.SelfAttribute("contract.driver")
    tariff_version = factory.SubFactory(TariffVersionFactory, document=factory.LazyFunction(ten_twenty_document))
    tariff_digest = factory.SelfAttribute("tariff_version.digest")
    currency = "EUR"
    vat_percent = Decimal("19")
    status = ChargingSession.Status.ENDED
    started_at = factory.Sequence(lambda number: NOON + timedelta(seconds=number))
    stopped_at = factory.LazyAttribute(lambda session: session.started_at + timedelta(minutes=session.minutes))
    ended_at = factory.SelfAttribute("stopped_at")
    meter_start_wh = Decimal(1000)
    meter_stop_wh = factory.LazyAttribute(lambda session: session.meter_start_wh + session.used_wh)
    energy_wh = factory.LazyAttribute(lambda session: Decimal(session.used_wh))


def meter(session: ChargingSession, minutes: int, register_wh: str, measurand: str = "energy_wh") -> MeterValue:
    """One sample, `minutes` after the start."""
    at = session.started_at + timedelta(minutes=minutes)
    return MeterValue.objects.create(
        charging_session=session, occurred_at=at, reported_at=at, measurand=measurand, value=Decimal(register_wh)
    )


def eur(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


def fill_wallet(driver: Driver, amount: str, *, kind: str = "cash", expires_at: datetime | None = None) -> WalletLot:
    """Otto adds money to a driver's wallet."""
    return credit_wallet(
        driver_id=driver.pk,
        amount=eur(amount),
        kind=kind,
        origin="operator",
        reason="goodwill",
        idempotency_key=f"test:{driver.pk}:{LedgerTransaction.objects.count()}",
        expires_at=expires_at,
    )
