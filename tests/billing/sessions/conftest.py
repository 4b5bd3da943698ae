"""Ada stands at an 11 kW connector in Berlin: 0.40 €/kWh net plus 19 % VAT."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Contract, Token
from billing.domain.answers import Directive, StartResult, StopResult
from billing.domain.samples import MeterSample
from billing.models import ChargingSession, PaymentMethod
from billing.services.sessions import record_meter_values, start_session, stop_session
from locations.models import ChargePoint, Connector
from tests.factories import (
    ConnectorFactory,
    ContractFactory,
    ContractTypeFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    TokenFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Stand:
    """A connector, Ada's token and contract, and short words for what the station reports."""

    connector: Connector
    token: Token
    contract: Contract

    def start(self, **changes: Any) -> StartResult:
        report: dict[str, Any] = {
            "charge_point_id": self.connector.charge_point_id,
            "connector_number": self.connector.number,
            "id_tag": self.token.id_tag,
            "meter_start_wh": Decimal(1000),
            "started_at": NOON,
            "reported_at": NOON,
            "received_at": NOON,
        }
        return start_session(**(report | changes))

    def meter(self, session_id: int | None, minutes: int, energy_wh: str, **changes: Any) -> Directive:
        at = NOON + timedelta(minutes=minutes)
        report: dict[str, Any] = {
            "charge_point_id": self.connector.charge_point_id,
            "session_id": session_id,
            "connector_number": self.connector.number,
            "samples": [MeterSample(at, at, "energy_wh", Decimal(1000) + Decimal(energy_wh))],
            "received_at": at,
        }
        return record_meter_values(**(report | changes))

    def stop(self, session_id: int, minutes: int, energy_wh: str | None, **changes: Any) -> StopResult:
        at = NOON + timedelta(minutes=minutes)
        report: dict[str, Any] = {
            "charge_point_id": self.connector.charge_point_id,
            "session_id": session_id,
            "meter_stop_wh": None if energy_wh is None else Decimal(1000) + Decimal(energy_wh),
            "stopped_at": at,
            "reported_at": at,
            "received_at": at,
        }
        return stop_session(**(report | changes))

    def session(self, session_id: int) -> ChargingSession:
        return ChargingSession.objects.get(pk=session_id)


def stand_with(document: str | None = None, **contract_type: Any) -> Stand:
    """A stand whose price is `document` (default 0.40 €/kWh) and whose contract type has these traits."""
    VatRateFactory()
    version = TariffVersionFactory(**({"document": document} if document else {}))
    NetworkAssignmentFactory(tariff=version.tariff)
    connector = ConnectorFactory()
    ChargePoint.objects.filter(pk=connector.charge_point_id).update(is_connected=True)
    Connector.objects.filter(pk=connector.pk).update(status=Connector.Status.AVAILABLE, status_at=NOON)
    connector.refresh_from_db()
    contract = ContractFactory(contract_type=ContractTypeFactory(**contract_type))
    return Stand(connector, TokenFactory(driver=contract.driver), contract)


def save_card(stand: Stand) -> PaymentMethod:
    return PaymentMethod.objects.create(
        driver=stand.contract.driver,
        provider="fake",
        provider_reference=f"card-{stand.contract.driver_id}",
        brand="Visa",
        last4="4242",
        is_default=True,
    )


@pytest.fixture
def stand(db) -> Stand:
    """Pay as you go with a card on file."""
    result = stand_with()
    save_card(result)
    return result


@pytest.fixture
def parking_stand(db) -> Stand:
    """As `stand`, with 6.00 €/h net while the vehicle requests no power."""
    result = stand_with(tariff_document(element(component("ENERGY", "0.40"), component("PARKING_TIME", "6.00"))))
    save_card(result)
    return result
