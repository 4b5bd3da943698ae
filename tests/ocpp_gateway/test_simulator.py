"""The simulated stations against a live gateway, and the parts they are made of."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Token
from billing.models import ChargingSession, MeterValue
from locations.models import ChargePoint, Connector
from locations.services.credentials import set_key
from ocpp_gateway.models import ParkedReport
from ocpp_gateway.simulator.clock import StationClock
from ocpp_gateway.simulator.keys import demo_key
from ocpp_gateway.simulator.network import id_tags, station_plans
from ocpp_gateway.simulator.vehicles import Vehicle, arriving_vehicle
from tests.factories import ConnectorFactory, TokenFactory

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def demo_station(charge_point: ChargePoint) -> ChargePoint:
    set_key(charge_point_id=charge_point.pk, key=demo_key(charge_point.identity))
    return charge_point


def test_once_each_station_does_one_session_in_the_past(
    gateway_url: str, demo_station: ChargePoint, ada: Token, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("simulate_stations", "--once", "--speed=1000", "--seed=3", f"--url={gateway_url}/ocpp/")
    assert "Each of the 1 charge points has done one session." in capsys.readouterr().out
    session = ChargingSession.objects.get()
    assert session.status == "ended"
    assert session.driver == ada.driver
    assert session.review_reason == ""
    assert session.energy_wh > Decimal(1_000)
    assert session.ended_at is not None
    assert session.started_at is not None
    assert timedelta(minutes=15) <= session.ended_at - session.started_at <= timedelta(minutes=80)
    assert session.ended_at <= datetime.now(UTC)
    assert MeterValue.objects.filter(charging_session=session, measurand="energy_wh").count() >= 3
    assert not ParkedReport.objects.exists()
    assert Connector.objects.get().status == "Available"


def test_a_network_without_the_demo_keys_is_told_what_to_do(
    gateway_url: str, charge_point: ChargePoint, key: str, ada: Token, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(CommandError, match="No session was possible at: BERLIN-01"):
        call_command("simulate_stations", "--once", f"--url={gateway_url}/ocpp/")
    assert "run manage.py demo first" in caplog.text


def test_an_empty_network_is_told_what_to_do(transactional_db: None) -> None:
    with pytest.raises(CommandError, match=r"Run manage\.py demo first"):
        call_command("simulate_stations", "--once")


def test_plans_follow_the_database(charge_point: ChargePoint, connector: Connector, ada: Token) -> None:
    ConnectorFactory(evse__charge_point__identity="BERLIN-02", dc=True)
    ConnectorFactory(evse__charge_point__identity="OLD-01", evse__charge_point__admission="retired")
    assert [plan.identity for plan in station_plans(None)] == ["BERLIN-01", "BERLIN-02"]
    assert [plan.identity for plan in station_plans(1)] == ["BERLIN-01"]
    assert station_plans(1)[0].connectors[0].register_wh == Decimal(12_000)
    assert id_tags() == [ada.id_tag]
    demo_card = TokenFactory(label="Demo card of Ada")
    assert id_tags() == [demo_card.id_tag]


class _Times:
    """A clock and a stopwatch that move when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def ticks(self) -> float:
        return self.seconds


@pytest.fixture
def times() -> Iterator[_Times]:
    yield _Times()


def test_a_fast_clock_runs_through_the_past_and_never_into_the_future(times: _Times) -> None:
    clock = StationClock(starts_at=NOON - timedelta(hours=1), speed=61, now=times.now, ticks=times.ticks)
    assert clock.now() == NOON - timedelta(hours=1)
    times.seconds = 30
    assert clock.now() == NOON - timedelta(minutes=29, seconds=30)
    assert not clock.has_caught_up
    times.seconds = 60
    assert clock.now() == times.now()
    times.seconds = 600
    assert clock.now() == times.now()
    assert clock.has_caught_up


def test_a_clock_catches_up_at_once_when_somebody_is_there(times: _Times) -> None:
    clock = StationClock(starts_at=NOON - timedelta(hours=1), speed=60, now=times.now, ticks=times.ticks)
    clock.catch_up()
    assert clock.now() == NOON
    times.seconds = 5
    assert clock.now() == NOON + timedelta(seconds=5)


def test_sleeping_lets_the_stations_own_time_pass() -> None:
    clock = StationClock(starts_at=datetime.now(UTC) - timedelta(hours=1), speed=10_000)
    before = clock.now()
    asyncio.run(clock.sleep(600))
    assert clock.now() - before >= timedelta(seconds=600)


@pytest.mark.parametrize(
    ("is_dc", "rated_w", "stored_wh", "power_w"),
    [
        (False, 11_000, 20_000, 7_400),
        (False, 3_700, 20_000, 3_700),
        (True, 150_000, 20_000, 100_000),
        (True, 50_000, 20_000, 50_000),
        # Half of the way from 55 % to 100 %: half of the way from 100 to 20 kW.
        (True, 150_000, 31_000, 60_000),
        (True, 150_000, 40_000, 0),
    ],
)
def test_power_over_state_of_charge(is_dc: bool, rated_w: int, stored_wh: int, power_w: int) -> None:
    vehicle = Vehicle(40_000, 7_400, 100_000, stored_wh=Decimal(stored_wh), full_at=Decimal(1))
    assert vehicle.power_w(is_dc=is_dc, rated_w=rated_w) == power_w


def test_charging_stores_what_the_meter_counts_and_no_more_than_fits() -> None:
    vehicle = Vehicle(40_000, 7_400, 100_000, stored_wh=Decimal(39_000), full_at=Decimal(1))
    assert vehicle.charge(power_w=7_200, seconds=Decimal(60)) == Decimal(120)
    assert vehicle.soc_percent == Decimal("97.8")
    assert vehicle.charge(power_w=7_200, seconds=Decimal(3_600)) == Decimal(880)
    assert vehicle.is_full


def test_arriving_vehicles_have_room() -> None:
    for seed in range(50):
        assert not arriving_vehicle(random.Random(seed)).is_full
