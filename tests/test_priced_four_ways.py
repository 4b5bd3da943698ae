"""One session priced four ways - quote, live, Cdr, replay - gives the same figure.

The quote is asked before the session begins; the station then reports just that session: 11 kW from the start, then a
vehicle that stands. Over several tariffs, on the day the clocks go back in Berlin.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from billing.domain.samples import MeterSample
from billing.models import Cdr, ChargingSession, PaymentMethod
from billing.services.quotes import quote
from billing.services.rating import gross_so_far
from billing.services.repricing import Selection, reprice
from billing.services.sessions import record_meter_values, start_session, stop_session
from billing.services.sessions.closing import end_session
from billing.services.settlement import settle_session
from locations.models import Connector
from tariffs.models import PriceSeries, PriceSeriesValue
from tests.billing.factories import EndedSessionFactory
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

pytestmark = pytest.mark.django_db

# 02:30 in Berlin on 25 October 2026, half an hour before the clocks go back from 03:00 to 02:00.
START = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
CHARGING, PARKED = timedelta(hours=2), timedelta(hours=1)
USED_WH = Decimal(22_000)

ENERGY, PARKING = component("ENERGY", "0.40"), component("PARKING_TIME", "6")
TARIFFS: dict[str, tuple[str, str]] = {
    # 22 x 0.40, and an hour at 6.00, plus 19 %.
    "energy and parking": (tariff_document(element(ENERGY, PARKING)), "17.61"),
    # With tax: 22 x 0.49, no price for standing.
    "gross": (tariff_document(element(component("ENERGY", "0.49")), tax_included="YES"), "10.78"),
    # Until 03:00 the night price: the hour that happens twice makes it an hour and a half of two.
    "hours of a 25-hour day": (
        tariff_document(
            element(component("ENERGY", "0.20"), start_time="22:00", end_time="03:00"),
            element(component("ENERGY", "0.60")),
            tax_included="YES",
        ),
        "6.60",
    ),
    # Charged time in blocks of 15 min, from 10 kWh on dearer energy, and at most 11.00.
    "blocks, thresholds and a highest price": (
        tariff_document(
            element(component("ENERGY", "0.30"), max_kwh=10),
            element(component("ENERGY", "0.50"), component("TIME", "2", step_size=900)),
            tax_included="YES",
            max_price={"after_taxes": 11},
        ),
        "11.00",
    ),
    # 2 kWh free, 8 at 0.50, 12 at 0.30; parking free for 15 min, then 45 min at 6.00 up to 3.00; 1.00 for connecting
    # and a tenth of all of it: 4.00 + 3.60 + 3.00 + 1.00 + 1.16.
    "every fee": (
        tariff_document(
            element(PARKING),
            tax_included="YES",
            voltledger={
                "free": {"kwh": 2},
                "energy_tiers": {
                    "per": "SESSION",
                    "tiers": [{"price": Decimal("0.5"), "up_to_kwh": 10}, {"price": Decimal("0.3")}],
                },
                "idle": {"grace_minutes": 15, "max_amount": 3},
                "connection_fee": {"price": 1, "after_minutes": 60},
                "service_fee": {"percent": 10, "of": "ALL"},
            },
        ),
        "12.76",
    ),
    # Half an hour at 0.10 + 0.05, an hour at 0.20 + 0.05, half an hour without a market price: 0.825 + 2.75 + 3.30.
    "market price with a gap": (
        tariff_document(
            element(component("FLAT", "0")),
            tax_included="YES",
            voltledger={"spot": {"series": "DE-LU", "markup": Decimal("0.05"), "fallback": Decimal("0.60")}},
        ),
        "6.88",
    ),
    # 95 kWh were used this month before: 5 at 0.50 up to 100, 10 at 0.40 up to 110, 7 at 0.30.
    "tiers of the month": (
        tariff_document(
            element(component("FLAT", "0")),
            tax_included="YES",
            voltledger={
                "energy_tiers": {
                    "per": "MONTH",
                    "tiers": [
                        {"price": Decimal("0.5"), "up_to_kwh": 100},
                        {"price": Decimal("0.4"), "up_to_kwh": 110},
                        {"price": Decimal("0.3")},
                    ],
                },
            },
        ),
        "8.60",
    ),
    # Energy: 2 kWh free, 8 at the month's 0.50, 6.5 until 03:00 at 1.1 x 0.20 + 0.05, 5.5 without a market price at
    # 0.60: 9.055. Time: 105 of 120 minutes at 1.20 an hour: 2.10. Parking from 03:30: a quarter of an hour of grace, 30
    # minutes at 6.00 up to 2.00, free from 04:15. 1.00 for connecting. 0.35 and a tenth of the energy.
    "every extension at once": (
        tariff_document(
            element(PARKING, component("TIME", "1.20")),
            tax_included="YES",
            voltledger={
                "free": {"kwh": 2, "minutes": 15},
                "energy_tiers": {"per": "MONTH", "tiers": [{"price": Decimal("0.5"), "up_to_kwh": 105}]},
                "spot": {
                    "series": "DE-LU",
                    "factor": Decimal("1.1"),
                    "markup": Decimal("0.05"),
                    "floor": Decimal("0.01"),
                    "cap": 1,
                    "fallback": Decimal("0.60"),
                },
                "idle": {"grace_minutes": 15, "max_amount": 2, "free_from": "04:15", "free_until": "05:00"},
                "connection_fee": {"price": 1, "after_minutes": 60, "after_kwh": 1, "needs": "ALL"},
                "service_fee": {"flat": Decimal("0.35"), "percent": 10, "of": "ENERGY"},
            },
        ),
        "15.41",
    ),
}


@pytest.mark.parametrize("name", TARIFFS)
def test_one_session_priced_four_ways_gives_the_same_figure(name: str) -> None:
    document, expected = TARIFFS[name]
    connector, token = _stand(document)

    with time_machine.travel(START, tick=False):
        quoted = quote(
            connector=connector,
            contract=token.driver.contracts.get(),
            at=START,
            kwh=USED_WH / 1000,
            minutes=int(CHARGING.total_seconds() // 60),
            parked_minutes=int(PARKED.total_seconds() // 60),
        )
        session = _start(connector, token.id_tag)
    # What comes later touches no session that has begun.
    PriceSeriesValue.objects.update(price=Decimal("9.99"))
    live = _charge_and_stand(session)
    cdr = settle_session(session_id=session.pk)
    (again,) = reprice(selection=Selection(session_ids=[session.pk]))

    assert quoted.example is not None
    assert again.payable is not None
    figures = {
        "quote": quoted.example.payable().gross,
        "live": live,
        "Cdr": cdr.gross,
        "replay": again.payable.gross,
    }
    assert figures == dict.fromkeys(figures, Decimal(expected))
    assert quoted.worst_case.gross >= cdr.gross
    assert Cdr.objects.get().vat_totals


def _stand(document: str) -> tuple[Connector, Any]:
    VatRateFactory()
    NetworkAssignmentFactory(tariff=TariffVersionFactory(document=document).tariff)
    connector: Connector = ConnectorFactory()
    token = TokenFactory(driver=ContractFactory(contract_type=ContractTypeFactory()).driver)
    PaymentMethod.objects.create(
        driver=token.driver, provider="fake", provider_reference="card", brand="Visa", last4="4242", is_default=True
    )
    EndedSessionFactory(
        contract=token.driver.contracts.get(),
        driver=token.driver,
        connector=connector,
        started_at=START - timedelta(days=3),
        used_wh=95_000,
    )
    series = PriceSeries.objects.create(code="DE-LU", name="Day ahead", currency="EUR", time_zone="Europe/Berlin")
    for hour, price in ((0, "0.10"), (1, "0.20")):
        PriceSeriesValue.objects.create(
            series=series, start_at=START.replace(hour=hour, minute=0), price=Decimal(price)
        )
    return connector, token


def _start(connector: Connector, id_tag: str) -> ChargingSession:
    result = start_session(
        charge_point_id=connector.charge_point_id,
        connector_number=connector.number,
        id_tag=id_tag,
        meter_start_wh=Decimal(1000),
        started_at=START,
        reported_at=START,
        received_at=START,
    )
    assert result.accepted, result
    return ChargingSession.objects.get(pk=result.session_id)


def _charge_and_stand(session: ChargingSession) -> Decimal:
    """What the station reports; the cost so far that the driver sees at the very end."""

    def report(at: datetime, measurand: str, value: Decimal) -> None:
        record_meter_values(
            charge_point_id=session.charge_point_id,
            session_id=session.pk,
            connector_number=1,
            samples=[MeterSample(at, at, measurand, value)],
            received_at=at,
        )

    steps = 8
    for step in range(1, steps + 1):
        at = START + CHARGING * step / steps
        with time_machine.travel(at, tick=False):
            report(at, "energy_wh", 1000 + USED_WH * step / steps)
    parked_at, left_at = START + CHARGING, START + CHARGING + PARKED
    with time_machine.travel(parked_at, tick=False):
        report(parked_at, "charging", Decimal(0))
    with time_machine.travel(left_at, tick=False):
        report(left_at, "energy_wh", 1000 + USED_WH)
        session.refresh_from_db()
        live = gross_so_far(session)
        assert session.live_gross == live
        stop_session(
            charge_point_id=session.charge_point_id,
            session_id=session.pk,
            meter_stop_wh=1000 + USED_WH,
            stopped_at=left_at,
            reported_at=left_at,
            received_at=left_at,
        )
        session.refresh_from_db()
        if session.status != ChargingSession.Status.ENDED:
            end_session(session, at=left_at)
    return live
