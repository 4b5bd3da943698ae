"""A station's side of OCPP-J: one request at a time, kept and sent again until it is answered."""

import asyncio
import base64
import json
import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

logger = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_ANSWER_WITHIN: Final = 60.0

Answer = tuple[str, dict[str, Any]]
OnConnect = Callable[[], Coroutine[Any, Any, None]]
OnRequest = Callable[[str, dict[str, Any]], Awaitable[Answer]]


class Refused(Exception):
    """The central system does not let this station in."""


class CallFailed(Exception):
    """The central system answered a request with an error."""


class StationSocket:
    """Connects with the station's key and reconnects with growing pauses, for ever, until cancelled."""

    def __init__(self, *, url: str, identity: str, key: str, subprotocol: str, on_request: OnRequest) -> None:
        self.identity = identity
        self._subprotocol = subprotocol
        self._address = f"{url.rstrip('/')}/{quote(identity, safe='')}"
        basic = base64.b64encode(f"{identity}:{key}".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}"}
        self._on_request = on_request
        self._connection: ClientConnection | None = None
        self._online = asyncio.Event()
        self._turn = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}

    async def run(self, on_connect: OnConnect) -> None:
        """Stay connected; `on_connect` runs after each handshake, beside the reading of frames. Raises Refused."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async with connect(
                    self._address,
                    subprotocols=[websockets.Subprotocol(self._subprotocol)],
                    additional_headers=self._headers,
                    compression=None,
                    proxy=None,
                ) as self._connection:
                    pause = _FIRST_PAUSE
                    await self._talk(self._connection, on_connect)
            except InvalidStatus as error:
                if error.response.status_code == 401:
                    raise Refused(self.identity) from error
                logger.info("%s: the server answered %s", self.identity, error.response.status_code)
            except (OSError, InvalidHandshake, WebSocketException, TimeoutError) as error:
                logger.info("%s: no connection (%s)", self.identity, error)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Ask until answered, over as many connections as it takes, under one message id. Raises CallFailed."""
        unique_id = str(uuid.uuid4())
        async with self._turn:
            while True:
                await self._online.wait()
                answer = await self._ask_once(unique_id, json.dumps([2, unique_id, action, payload]))
                if answer is None:
                    continue
                if answer[0] == 4:
                    raise CallFailed(f"{action}: {answer[2:4]}")
                result: dict[str, Any] = answer[2]
                return result

    async def _ask_once(self, unique_id: str, text: str) -> list[Any] | None:
        waiting = self._waiting[unique_id] = asyncio.get_running_loop().create_future()
        try:
            if self._connection is None:
                return None
            await self._connection.send(text)
            return await asyncio.wait_for(waiting, _ANSWER_WITHIN)
        except (OSError, WebSocketException, TimeoutError):
            return None
        finally:
            self._waiting.pop(unique_id, None)

    async def _talk(self, connection: ClientConnection, on_connect: OnConnect) -> None:
        self._online.set()
        greeting = asyncio.create_task(on_connect())
        try:
            async for text in connection:
                await self._take(connection, json.loads(text))
        finally:
            self._online.clear()
            greeting.cancel()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError())

    async def _take(self, connection: ClientConnection, message: list[Any]) -> None:
        if message[0] != 2:
            waiting = self._waiting.get(message[1])
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        error, payload = await self._on_request(message[2], message[3])
        answer = [4, message[1], error, "", {}] if error else [3, message[1], payload]
        await connection.send(json.dumps(answer))
