"""A live gateway on a real port, in a thread, over the test database."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from channels.routing import ProtocolTypeRouter, URLRouter

from accounts.models import Token
from locations.models import ChargePoint, Connector
from locations.services.credentials import issue_key
from ocpp_gateway.routing import websocket_urlpatterns
from tests.factories import (
    ConnectorFactory,
    ContractFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    TokenFactory,
    VatRateFactory,
)
from tests.ocpp_gateway.station import ScriptedStation


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


def serve(application: Any) -> Iterator[str]:
    """Run an ASGI application in a thread, as production does but for the port; yields its ws:// address."""
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        ws="websockets-sansio",
        ws_max_size=1_048_576,
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    assert server.is_up.wait(10)
    yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def gateway_url(transactional_db: None) -> Iterator[str]:
    yield from serve(ProtocolTypeRouter({"websocket": URLRouter(websocket_urlpatterns)}))


@pytest.fixture
def connector(transactional_db: None) -> Connector:
    """One priced 11 kW connector: 0.40 €/kWh net plus 19 % VAT."""
    VatRateFactory()
    NetworkAssignmentFactory(tariff=TariffVersionFactory().tariff)
    connector: Connector = ConnectorFactory(evse__charge_point__identity="BERLIN-01")
    return connector


@pytest.fixture
def charge_point(connector: Connector) -> ChargePoint:
    return connector.charge_point


@pytest.fixture
def key(charge_point: ChargePoint) -> str:
    return issue_key(charge_point_id=charge_point.pk)


@pytest.fixture
def ada(transactional_db: None) -> Token:
    """Ada's card, on an open-access contract: nothing about money stops her."""
    token: Token = TokenFactory(id_tag="04ADA0001")
    ContractFactory(driver=token.driver, contract_type__open_access=True)
    return token


@pytest.fixture
def plug_in(gateway_url: str, charge_point: ChargePoint, key: str) -> Iterator[Callable[..., ScriptedStation]]:
    """Open a socket of the charge point; every socket is closed at the end."""
    stations: list[ScriptedStation] = []

    def open_socket(**options: Any) -> ScriptedStation:
        identity = options.pop("identity", charge_point.identity)
        station = ScriptedStation(gateway_url, identity, options.pop("key", key), **options)
        stations.append(station)
        return station

    yield open_socket
    for station in stations:
        station.socket.close()
