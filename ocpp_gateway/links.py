"""One open socket of one station, as the rest of the gateway sees it."""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ocpp_gateway.domain.frames import CallError, CallResult, encode_call
from ocpp_gateway.handlers.dialect import Dialect
from ocpp_gateway.services.admission import Station

logger = logging.getLogger(__name__)

_REMEMBERED_ANSWERS: Final = 8

Send = Callable[[str], Awaitable[None]]
Close = Callable[[int, str], Awaitable[None]]
# The last answers of a station: message id, hash of the whole frame, answer.
Answers = deque[tuple[str, int, str]]


def new_answers() -> Answers:
    return deque(maxlen=_REMEMBERED_ANSWERS)


class NoAnswer(Exception):
    """The station did not answer a request in time, or its socket closed first."""


class StationLink:
    """State of one socket. `is_current` turns False when a newer socket counts; nothing it sends is handled then."""

    __slots__ = (
        "_close",
        "_heard",
        "_pending",
        "_send",
        "answers",
        "connection_id",
        "dialect",
        "is_current",
        "malformed_in_a_row",
        "remote_address",
        "station",
    )

    def __init__(
        self,
        station: Station,
        *,
        dialect: Dialect,
        answers: Answers,
        remote_address: str,
        send: Send,
        close: Close,
    ) -> None:
        self.station = station
        self.dialect = dialect
        self.answers = answers
        self.connection_id = uuid.uuid4()
        self.remote_address = remote_address
        self.is_current = True
        self.malformed_in_a_row = 0
        self._send = send
        self._close = close
        self._pending: dict[str, asyncio.Future[CallResult | CallError]] | None = None
        self._heard: asyncio.Future[None] | None = None

    # What the station sends -----------------------------------------------------------------------------------

    def heard(self) -> None:
        """A frame arrived, whatever it says."""
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(None)

    def resolve(self, answer: CallResult | CallError) -> bool:
        """Hand an answer to whoever asked. False for an answer nobody waits for: it is dropped, not queued."""
        waiting = self._pending.pop(answer.unique_id, None) if self._pending else None
        if waiting is None or waiting.done():
            return False
        waiting.set_result(answer)
        return True

    def remembered(self, unique_id: str, text: str) -> str | None:
        """The answer given to this very frame before, if it is one of the last few."""
        digest = hash(text)
        return next((answer for known, seen, answer in self.answers if known == unique_id and seen == digest), None)

    def remember(self, unique_id: str, text: str, answer: str) -> None:
        self.answers.append((unique_id, hash(text), answer))

    # What we send ---------------------------------------------------------------------------------------------

    async def send(self, text: str) -> None:
        await self._send(text)

    async def call(
        self, action: str, payload: dict[str, Any], *, unique_id: str, within_seconds: float
    ) -> CallResult | CallError:
        """Ask the station and wait for its answer. Raises NoAnswer."""
        waiting: asyncio.Future[CallResult | CallError] = asyncio.get_running_loop().create_future()
        if self._pending is None:
            self._pending = {}
        self._pending[unique_id] = waiting
        try:
            await self._send(encode_call(unique_id, action, payload))
            return await asyncio.wait_for(waiting, within_seconds)
        except (TimeoutError, OSError) as error:
            raise NoAnswer from error
        finally:
            self._pending.pop(unique_id, None)

    async def is_alive(self, *, within_seconds: float) -> bool:
        """Ask something every station must answer; any frame in time is a sign of life."""
        self._heard = asyncio.get_running_loop().create_future()
        try:
            await self._send(encode_call(str(uuid.uuid4()), *self.dialect.sign_of_life))
            await asyncio.wait_for(self._heard, within_seconds)
        except (TimeoutError, OSError):
            return False
        finally:
            self._heard = None
        return True

    async def replace(self) -> None:
        """Fence this socket off, because a newer one counts, and close it."""
        self.is_current = False
        self.abandon()
        try:
            await self._close(1000, "replaced by a newer connection")
        except OSError as error:
            logger.debug("%s: the replaced socket was gone already: %s", self.station.identity, error)

    def abandon(self) -> None:
        """The socket is gone: nobody waits for its answers any longer."""
        for waiting in list((self._pending or {}).values()):
            if not waiting.done():
                waiting.set_exception(NoAnswer())
