"""A scripted OCPP 1.6 station over a plain WebSocket: says exactly what a test tells it to, right or wrong."""

import base64
import json
import uuid
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from websockets import ConnectionClosed, Subprotocol
from websockets.sync.client import ClientConnection, connect

WITHIN_SECONDS = 10


def basic(username: str, password: str | bytes) -> str:
    raw = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(username.encode() + b":" + raw).decode()


class ScriptedStation:
    def __init__(
        self,
        url: str,
        identity: str,
        key: str | bytes,
        *,
        path: str | None = None,
        subprotocols: Sequence[str] = ("ocpp1.6",),
        headers: dict[str, str] | None = None,
    ) -> None:
        self.socket: ClientConnection = connect(
            f"{url}{path or f'/ocpp/{identity}'}",
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers={"Authorization": basic(identity, key)} | (headers or {}),
            compression=None,
            open_timeout=WITHIN_SECONDS,
            close_timeout=WITHIN_SECONDS,
        )
        self._requests: deque[list[Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send_text(self, text: str) -> None:
        self.socket.send(text)

    def receive(self) -> list[Any]:
        return json.loads(self.socket.recv(timeout=WITHIN_SECONDS))

    def ask(self, action: str, payload: dict[str, Any], unique_id: str | None = None) -> list[Any]:
        """Send a request and return the whole answer; requests of the other side that come first are kept."""
        unique_id = unique_id or str(uuid.uuid4())
        self.send_text(json.dumps([2, unique_id, action, payload]))
        while True:
            message = self.receive()
            if message[0] == 2:
                self._requests.append(message)
            elif message[1] == unique_id:
                return message

    def call(self, action: str, payload: dict[str, Any], unique_id: str | None = None) -> dict[str, Any]:
        """The payload of the answer, which must not be an error."""
        answer = self.ask(action, payload, unique_id)
        assert answer[0] == 3, answer
        return answer[2]

    def request(self, action: str) -> list[Any]:
        """The next request of the central system, which must be `action`."""
        message = self._requests.popleft() if self._requests else self.receive()
        assert message[:1] + message[2:3] == [2, action], message
        return message

    def reply(self, request: list[Any], payload: dict[str, Any]) -> None:
        self.send_text(json.dumps([3, request[1], payload]))

    def reply_error(self, request: list[Any], code: str) -> None:
        self.send_text(json.dumps([4, request[1], code, "", {}]))

    def close_code(self) -> int | None:
        """Wait until the other side closes and say how."""
        try:
            while True:
                self.socket.recv(timeout=WITHIN_SECONDS)
        except ConnectionClosed:
            return self.socket.close_code
