"""The stations' door: one WebSocket per charge point at /ocpp/<identity>."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final, Protocol

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from ocpp_gateway.domain.admission import (
    Credentials,
    is_browser,
    negotiate,
    read_client_certificate,
    read_credentials,
    read_identity,
)
from ocpp_gateway.domain.certificates import ClientCertificate
from ocpp_gateway.domain.frames import Call, CallError, ErrorCode, Frame, Malformed, parse_frame
from ocpp_gateway.gateway import gateway_of_this_loop
from ocpp_gateway.handlers.dialects import DIALECTS
from ocpp_gateway.links import Answers, StationLink
from ocpp_gateway.services.admission import Station

logger = logging.getLogger(__name__)

_PROTOCOL_ERROR: Final = 1002
_POLICY_VIOLATION: Final = 1008
# Under this id versions from 2.0 on refuse what is no message (OCPP-J 2.0.1, 4.2.3).
_UNKNOWN_MESSAGE: Final = "-1"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one socket may ask of us. Beyond either rate it is read more slowly; closed if that does not help.

    A station that waits for each answer, as OCPP demands, never comes near. `burst_bytes` holds two of the longest
    frames.
    """

    frames_per_second: int = 50
    burst: int = 200
    bytes_per_second: int = 131_072
    burst_bytes: int = 2_097_152
    throttled_seconds: int = 60
    malformed_in_a_row: int = 10


class Door(Protocol):
    """What stands behind the sockets: `Gateway`, or a sink that measures the transport alone."""

    def enter(self) -> None: ...
    async def leave(self) -> None: ...
    async def admit(
        self,
        identity: str,
        credentials: Credentials | None,
        *,
        is_encrypted: bool,
        certificate: ClientCertificate | None = None,
    ) -> Station | None: ...
    async def has_live_socket(self, station: Station, remote_address: str) -> bool: ...
    def answers_of(self, station: Station) -> Answers: ...
    async def opened(self, link: StationLink, *, subprotocol: str) -> None: ...
    async def closed(self, link: StationLink) -> None: ...
    def log_incoming(self, link: StationLink, frame: Frame, text: str) -> object: ...
    async def answer(self, link: StationLink, call: Call, text: str) -> None: ...
    async def refuse(self, link: StationLink, error: CallError) -> None: ...


class StationConsumer(AsyncConsumer):
    """One socket of one station: handshake, rate, frames in order.

    A Channels consumer without the parts a station has no use for: no channel-layer channel per socket (commands are
    found by one poll per process), and a dispatch without the per-message call into a process-wide thread that closes
    old database connections (database_threads does that where the database is used).
    """

    def __init__(self, door: Door | None = None, limits: Limits | None = None) -> None:
        self._door: Door = door or gateway_of_this_loop()
        self._limits = limits or Limits()
        self._link: StationLink | None = None
        self._allowance: float = self._limits.burst
        self._allowance_bytes: float = self._limits.burst_bytes
        self._counted_at = 0.0
        self._throttled_since: float | None = None
        self._is_closing = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scope, self.base_send = scope, send
        self._door.enter()
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            if self._link is not None:
                await self._door.closed(self._link)
            await self._door.leave()

    async def dispatch(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.receive":
            await self._receive(message)
        elif kind == "websocket.connect":
            await self._connect()
        else:
            raise StopConsumer

    # Handshake ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        if is_browser(self.scope["headers"]):
            await self._deny(403)
            return
        identity = read_identity(self.scope.get("raw_path") or self.scope["path"].encode())
        headers = dict(self.scope["headers"])
        credentials = read_credentials(headers.get(b"authorization", b""))
        is_encrypted = self.scope.get("scheme") == "wss"
        certificate = read_client_certificate(headers, proxy_secret=settings.OCPP_PROXY_SECRET)
        station = await self._door.admit(identity, credentials, is_encrypted=is_encrypted, certificate=certificate)
        client = self.scope.get("client")
        remote_address = str(client[0]) if client else ""
        if station is None:
            logger.warning("%r from %s was not let in", identity, remote_address)
            await self._deny(401, [(b"www-authenticate", b'Basic realm="OCPP"')])
            return
        subprotocol = negotiate(self.scope["subprotocols"], spoken=tuple(DIALECTS), configured=station.ocpp_version)
        if subprotocol is None:
            # OCPP-J 1.6, 3.2: complete the handshake without a subprotocol, then close.
            logger.warning("%s offers no subprotocol spoken here: %s", identity, self.scope["subprotocols"])
            await self.base_send({"type": "websocket.accept", "subprotocol": None})
            await self._close(_PROTOCOL_ERROR, "no common subprotocol")
            return
        if await self._door.has_live_socket(station, remote_address):
            await self._deny(409)
            return
        self._link = StationLink(
            station,
            dialect=DIALECTS[subprotocol or "ocpp1.6"],
            answers=self._door.answers_of(station),
            remote_address=remote_address,
            send=self._send_text,
            close=self._close,
        )
        self._counted_at = asyncio.get_running_loop().time()
        await self._door.opened(self._link, subprotocol=subprotocol or "ocpp1.6")
        await self.base_send({"type": "websocket.accept", "subprotocol": subprotocol or None})

    async def _deny(self, status: int, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        await self.base_send({"type": "websocket.http.response.start", "status": status, "headers": headers or []})
        await self.base_send({"type": "websocket.http.response.body", "body": b""})
        # Let the transport close first: uvicorn logs an error when a refused handshake's application returns earlier.
        await asyncio.sleep(0)

    # Frames ---------------------------------------------------------------------------------------------------

    async def _receive(self, message: dict[str, Any]) -> None:
        link = self._link
        if link is None or not link.is_current or self._is_closing:
            return
        text = message.get("text")
        if text is None:
            text = (message.get("bytes") or b"").decode("utf-8", "replace")
        if not await self._in_turn(len(text) if text.isascii() else len(text.encode())):
            return
        link.heard()
        frame = parse_frame(text)
        if isinstance(frame, Call):
            link.malformed_in_a_row = 0
            await self._door.answer(link, frame, text)
            return
        self._door.log_incoming(link, frame, text)
        if isinstance(frame, Malformed):
            await self._refuse(link, frame)
            return
        link.malformed_in_a_row = 0
        if not link.resolve(frame):
            logger.info("%s answered a request nobody waits for: %s", link.station.identity, frame.unique_id)

    async def _refuse(self, link: StationLink, frame: Malformed) -> None:
        """Answer what is no message where this version can; ten in a row are not a station."""
        link.malformed_in_a_row += 1
        logger.warning("%s sent no valid message: %s", link.station.identity, frame.reason)
        unique_id = frame.unique_id or (_UNKNOWN_MESSAGE if link.dialect.answers_malformed else "")
        if unique_id:
            await self._door.refuse(link, CallError(unique_id, ErrorCode.FORMATION_VIOLATION, frame.reason))
        if link.malformed_in_a_row >= self._limits.malformed_in_a_row:
            await self._close(_PROTOCOL_ERROR, "no valid messages")

    async def _in_turn(self, size: int) -> bool:
        """Wait until a frame of `size` bytes is within the rates; the station is not read from meanwhile.

        False: it was closed.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        limits, passed = self._limits, now - self._counted_at
        self._allowance = min(self._allowance + passed * limits.frames_per_second, limits.burst) - 1
        self._allowance_bytes = min(self._allowance_bytes + passed * limits.bytes_per_second, limits.burst_bytes) - size
        self._counted_at = now
        if self._allowance >= 0 and self._allowance_bytes >= 0:
            self._throttled_since = None
            return True
        if self._throttled_since is None:
            self._throttled_since = now
        elif now - self._throttled_since > limits.throttled_seconds:
            await self._close(_POLICY_VIOLATION, "too many messages")
            return False
        await asyncio.sleep(
            max(-self._allowance / limits.frames_per_second, -self._allowance_bytes / limits.bytes_per_second)
        )
        return True

    async def _send_text(self, text: str) -> None:
        if self._is_closing:
            raise ConnectionResetError("the socket is being closed")
        await self.base_send({"type": "websocket.send", "text": text})

    async def _close(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            await self.base_send({"type": "websocket.close", "code": code, "reason": reason})
