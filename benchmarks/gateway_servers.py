"""The servers `benchmarks.gateway` measures; each runs in a process of its own and prints its port.

consumer      our consumer under uvicorn as in production, behind it a sink instead of the database
same_handler  a bare `websockets` server whose handler does the same work on each frame
bare_ack      a bare `websockets` server that only reads the JSON and acknowledges
"""

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import orjson
import uvicorn
import uvloop
from websockets.asyncio.server import ServerConnection, serve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

import django

django.setup()
logging.disable(logging.INFO)

from common import clock  # noqa: E402
from ocpp_gateway.consumers import Limits, StationConsumer  # noqa: E402
from ocpp_gateway.domain.admission import Credentials  # noqa: E402
from ocpp_gateway.domain.defects import Checked  # noqa: E402
from ocpp_gateway.domain.frames import Call, CallError, Frame, encode_result, parse_frame  # noqa: E402
from ocpp_gateway.domain.repairs import check_payload  # noqa: E402
from ocpp_gateway.domain.values import read_samples  # noqa: E402
from ocpp_gateway.links import Answers, StationLink, new_answers  # noqa: E402
from ocpp_gateway.services.admission import Station  # noqa: E402

_UNLIMITED = Limits(
    frames_per_second=10_000_000, burst=10_000_000, bytes_per_second=10_000_000_000, burst_bytes=10_000_000_000
)


def handle(call: Call) -> str:
    """What the gateway does with a request but for the database: schema, samples in our units, answer."""
    checked = check_payload(call.action, call.payload)
    assert isinstance(checked, Checked)
    if call.action == "MeterValues":
        assert read_samples(checked.payload["meterValue"], received_at=clock.now())
    return encode_result(call.unique_id, {})


class Sink:
    """Lets everybody in and stores nothing."""

    def enter(self) -> None:
        pass

    async def leave(self) -> None:
        pass

    async def admit(
        self, identity: str, credentials: Credentials | None, *, is_encrypted: bool, certificate: object = None
    ) -> Station | None:
        return Station(charge_point_id=1, identity=identity, ocpp_version="1.6", is_admitted=True)

    async def has_live_socket(self, station: Station, remote_address: str) -> bool:
        return False

    def answers_of(self, station: Station) -> Answers:
        return new_answers()

    async def opened(self, link: StationLink, *, subprotocol: str) -> None:
        pass

    async def closed(self, link: StationLink) -> None:
        pass

    def log_incoming(self, link: StationLink, frame: Frame, text: str) -> object:
        return None

    async def answer(self, link: StationLink, call: Call, text: str) -> None:
        answer = link.remembered(call.unique_id, text)
        if answer is None:
            answer = handle(call)
            link.remember(call.unique_id, text, answer)
        await link.send(answer)

    async def refuse(self, link: StationLink, error: CallError) -> None:
        raise AssertionError(error)


async def same_handler(connection: ServerConnection) -> None:
    async for text in connection:
        assert isinstance(text, str)
        frame = parse_frame(text)
        assert isinstance(frame, Call)
        await connection.send(handle(frame))


async def bare_ack(connection: ServerConnection) -> None:
    async for text in connection:
        message: Any = orjson.loads(text)
        await connection.send(f'[3,"{message[1]}",{{}}]')


async def serve_bare(handler: Callable[[ServerConnection], Awaitable[None]]) -> None:
    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=20, ping_timeout=20) as server:
        announce(next(iter(server.sockets)))
        await server.serve_forever()


async def serve_consumer() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        StationConsumer.as_asgi(door=Sink(), limits=_UNLIMITED),
        ws="websockets-sansio",
        ws_max_size=1_048_576,
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        lifespan="off",
        log_level="error",
    )
    announce(listener)
    await uvicorn.Server(config).serve([listener])


def announce(listener: Any) -> None:
    print(listener.getsockname()[1], flush=True)


SERVERS: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
    "consumer": serve_consumer,
    "same_handler": partial(serve_bare, same_handler),
    "bare_ack": partial(serve_bare, bare_ack),
}

if __name__ == "__main__":
    uvloop.run(SERVERS[sys.argv[1]]())
