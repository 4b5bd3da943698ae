"""Wake-ups: live pages hear of changes, gateways of commands queued elsewhere."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import re_path
from websockets.sync.client import connect

from accounts.models import Token
from billing.models import ChargingSession
from locations.models import ChargePoint, Connector
from ocpp_gateway.routing import websocket_urlpatterns
from ocpp_gateway.services import wakeups
from ocpp_gateway.services.commands import queue_command
from ocpp_gateway.services.remote import remote_start
from tests.ocpp_gateway.conftest import serve
from tests.ocpp_gateway.station import WITHIN_SECONDS, ScriptedStation
from tests.ocpp_gateway.test_conversation import energy, moment, start, status


class Page(AsyncConsumer):
    """A live page that shows every wake-up of one group."""

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        await self.channel_layer.group_add(self.scope["url_route"]["kwargs"]["group"], self.channel_name)
        await self.send({"type": "websocket.accept"})

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def session_changed(self, message: dict[str, Any]) -> None:
        await self.send({"type": "websocket.send", "text": json.dumps(message)})

    network_changed = session_changed


@pytest.fixture
def url(transactional_db: None) -> Iterator[str]:
    page = re_path(r"^page/(?P<group>.+)$", Page.as_asgi())
    yield from serve(ProtocolTypeRouter({"websocket": URLRouter([page, *websocket_urlpatterns])}))


def test_live_pages_are_woken_after_the_commit(
    url: str, charge_point: ChargePoint, connector: Connector, key: str, ada: Token
) -> None:
    with ScriptedStation(url, charge_point.identity, key) as station:
        session_id = station.call("StartTransaction", start())["transactionId"]
        session = ChargingSession.objects.get(pk=session_id)
        with connect(f"{url}/page/session.{session.public_id.hex}") as page, connect(f"{url}/page/network") as wall:
            station.call("MeterValues", energy("2000", session_id=session_id, at=moment(60)))
            assert json.loads(page.recv(timeout=WITHIN_SECONDS)) == {"type": "session.changed"}
            # The page reads what was woken for.
            session.refresh_from_db()
            assert session.energy_wh == 1_000
            station.call("StatusNotification", status("SuspendedEV"))
            assert json.loads(page.recv(timeout=WITHIN_SECONDS)) == {"type": "session.changed"}
            assert json.loads(wall.recv(timeout=WITHIN_SECONDS)) == {"type": "network.changed"}


def test_the_driver_who_waits_hears_that_the_station_refused(
    url: str, charge_point: ChargePoint, connector: Connector, key: str, ada: Token
) -> None:
    with ScriptedStation(url, charge_point.identity, key) as station:
        station.call("StatusNotification", status("Available"))
        session = remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
        with connect(f"{url}/page/session.{session.public_id.hex}") as page:
            station.reply(station.request("RemoteStartTransaction"), {"status": "Rejected"})
            assert json.loads(page.recv(timeout=WITHIN_SECONDS)) == {"type": "session.changed"}
            session.refresh_from_db()
            assert session.status == "cancelled"


def test_the_driver_who_waits_hears_that_the_station_agreed(
    url: str, charge_point: ChargePoint, connector: Connector, key: str, ada: Token
) -> None:
    with ScriptedStation(url, charge_point.identity, key) as station:
        station.call("StatusNotification", status("Available"))
        session = remote_start(connector_id=connector.pk, driver_id=ada.driver_id)
        with connect(f"{url}/page/session.{session.public_id.hex}") as page:
            station.reply(station.request("RemoteStartTransaction"), {"status": "Accepted"})
            assert json.loads(page.recv(timeout=WITHIN_SECONDS)) == {"type": "session.changed"}


def test_a_gateway_of_this_process_is_woken() -> None:
    async def wait_for_wake_up() -> None:
        woken = asyncio.Event()
        wakeups.listen(woken.set, asyncio.get_running_loop())
        try:
            await asyncio.to_thread(wakeups.wake_gateways)
            await asyncio.wait_for(woken.wait(), WITHIN_SECONDS)
        finally:
            wakeups.stop_listening(woken.set)

    asyncio.run(wait_for_wake_up())


@pytest.mark.redis
def test_gateways_of_other_processes_are_woken_through_redis() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as subscription:
        subscription.subscribe(wakeups.REDIS_CHANNEL)
        assert subscription.get_message(timeout=WITHIN_SECONDS)
        wakeups.wake_gateways()
        message = subscription.get_message(timeout=WITHIN_SECONDS)
    assert message is not None
    assert message["type"] == "message"


@pytest.mark.redis
def test_a_command_queued_elsewhere_goes_out_at_once(
    url: str, charge_point: ChargePoint, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poll is made so slow that only Redis can have brought the news."""
    monkeypatch.setattr("ocpp_gateway.gateway.POLL_SECONDS", 600.0)
    with ScriptedStation(url, charge_point.identity, key) as station:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            while not dict(client.pubsub_numsub(wakeups.REDIS_CHANNEL))[wakeups.REDIS_CHANNEL.encode()]:
                station.call("Heartbeat", {})
        monkeypatch.setattr(wakeups, "_listeners", {})
        queue_command(charge_point_id=charge_point.pk, action="ClearCache", payload={})
        assert station.request("ClearCache")
