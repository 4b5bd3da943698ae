"""The simulated 2.0.1 station against a live gateway."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command

from accounts.models import Token
from billing.models import ChargingSession, MeterValue
from locations.models import ChargePoint, Connector
from locations.services.credentials import set_key
from ocpp_gateway.models import OcppMessage, ParkedReport, StationTransaction
from ocpp_gateway.services.remote import remote_start, remote_stop
from ocpp_gateway.simulator.clock import StationClock
from ocpp_gateway.simulator.keys import demo_key
from ocpp_gateway.simulator.network import station_plans
from ocpp_gateway.simulator.station_201 import SimulatedStation201
from tests.factories import ConnectorFactory, EvseFactory
from tests.ocpp_gateway.v201.schemas import schema


@pytest.fixture
def demo_station(charge_point: ChargePoint) -> ChargePoint:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="2.0.1")
    set_key(charge_point_id=charge_point.pk, key=demo_key(charge_point.identity))
    return charge_point


def test_once_the_station_does_one_session_in_the_past(
    gateway_url: str, demo_station: ChargePoint, ada: Token, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--protocol=2.0.1", "--once", "--speed=1000", "--seed=3", f"--url={gateway_url}/ocpp/"]
    call_command("simulate_stations", *arguments)
    assert "Each of the 1 charge points has done one session." in capsys.readouterr().out
    session = ChargingSession.objects.get()
    assert (session.status, session.outcome, session.review_reason) == ("ended", "billed", "")
    assert session.driver == ada.driver
    assert session.energy_wh > Decimal(1_000)
    assert MeterValue.objects.filter(charging_session=session, measurand="energy_wh").count() >= 3
    assert StationTransaction.objects.get().transaction_id == session.station_transaction_id
    assert not ParkedReport.objects.exists()
    assert not OcppMessage.objects.filter(kind__in=["error", "invalid"]).exists()
    assert Connector.objects.get().status == "Available"


def test_what_it_says_is_what_the_specification_has(gateway_url: str, demo_station: ChargePoint, ada: Token) -> None:
    """Not only what our own gateway would mend."""
    call_command("simulate_stations", "--once", "--speed=1000", "--seed=3", f"--url={gateway_url}/ocpp/")
    for message in OcppMessage.objects.filter(direction="in", kind="call"):
        assert schema(f"{message.action}Request").is_valid(json.loads(message.frame)[3]), message.frame


def test_a_driver_starts_and_stops_it(gateway_url: str, demo_station: ChargePoint, ada: Token) -> None:
    plan = station_plans(1, "2.0.1")[0]
    connector = Connector.objects.get()

    async def visit() -> ChargingSession:
        now = datetime.now(UTC)
        station = SimulatedStation201(
            plan,
            url=f"{gateway_url}/ocpp/",
            id_tags=[ada.id_tag],
            clock=StationClock(starts_at=now, speed=1),
            chance=random.Random(1),
        )
        # Nobody comes by itself within the first seconds.
        running = asyncio.create_task(station.run(once=False))
        try:
            await _until(lambda: Connector.objects.get().status == "Available")
            session = await sync_to_async(remote_start)(connector_id=connector.pk, driver_id=ada.driver_id)
            await _until(lambda: ChargingSession.objects.get().status == "active")
            await sync_to_async(remote_stop)(session_id=session.pk, reason="driver")
            await _until(lambda: ChargingSession.objects.get().status == "ended")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return await ChargingSession.objects.aget()

    session = asyncio.run(visit())
    assert (session.channel, session.stop_reason) == ("app", "Remote")
    assert session.station_transaction_id


async def _until(is_so: Callable[[], bool]) -> None:
    async def look() -> None:
        while not await sync_to_async(is_so)():
            await asyncio.sleep(0.05)

    await asyncio.wait_for(look(), 30)


def test_plans_are_by_version_and_count_connectors_on_their_evse(demo_station: ChargePoint) -> None:
    ConnectorFactory(evse__charge_point__identity="OLD-16")
    second = EvseFactory(charge_point=demo_station, number=2)
    for number in (2, 3):
        ConnectorFactory(evse=second, number=number)
    assert [plan.identity for plan in station_plans(None)] == ["BERLIN-01", "OLD-16"]
    plan = station_plans(None, "2.0.1")[0]
    assert [(item.number, item.evse_number, item.position) for item in plan.connectors] == [
        (1, 1, 1),
        (2, 2, 1),
        (3, 2, 2),
    ]
