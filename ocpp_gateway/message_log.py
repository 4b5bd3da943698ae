"""The message log's writer: all sockets of a process share its batches."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import DataError, IntegrityError
from django.db import Error as DatabaseFailure

from ocpp_gateway.database_threads import DatabaseThreads
from ocpp_gateway.domain.frames import Call, CallError, CallResult, Frame
from ocpp_gateway.domain.masking import mask_frame
from ocpp_gateway.links import StationLink
from ocpp_gateway.models import OcppMessage
from ocpp_gateway.services.messages import store_messages

logger = logging.getLogger(__name__)

# Of a frame that is no message only the beginning is kept.
_KEPT_OF_INVALID = 4_096
_KINDS = {Call: OcppMessage.Kind.CALL, CallResult: OcppMessage.Kind.RESULT, CallError: OcppMessage.Kind.ERROR}


class MessageLog:
    """Natural batching: whatever arrives while one batch is being written goes out with the next.

    A database out of reach costs the rows of that batch and an error in the process log; stations are not held up.
    A row the database does not take costs that row.
    """

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._rows: list[OcppMessage] = []
        self._stored: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    def add(
        self, link: StationLink, *, frame: Frame, text: str, direction: str, at: datetime, action: str = ""
    ) -> asyncio.Future[None]:
        """Queue one frame, masked; the future is done once it is stored. An answer's `action` is its request's."""
        kind = _KINDS.get(type(frame), OcppMessage.Kind.INVALID)
        if kind == OcppMessage.Kind.INVALID:
            text = text[:_KEPT_OF_INVALID]
        self._rows.append(
            OcppMessage(
                charge_point_id=link.station.charge_point_id,
                connection_id=link.connection_id,
                at=at,
                direction=direction,
                kind=kind,
                action=_storable(frame.action if isinstance(frame, Call) else action),
                unique_id=_storable(frame.unique_id),
                frame=_storable(mask_frame(text, mask_id_tags=settings.OCPP_MASK_ID_TAGS)),
            )
        )
        loop = asyncio.get_running_loop()
        if self._stored is None:
            self._stored = loop.create_future()
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write())
        return self._stored

    async def flush(self) -> None:
        """Wait until everything queued is stored."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        while self._rows:
            rows, self._rows = self._rows, []
            stored, self._stored = self._stored, None
            try:
                await self._threads.run(store_what_is_taken, rows)
            except DatabaseFailure:
                logger.exception("%d frames could not be written to the message log", len(rows))
            finally:
                if stored is not None and not stored.done():
                    stored.set_result(None)


def store_what_is_taken(rows: Sequence[OcppMessage]) -> None:
    """Store a batch; when the database refuses one of its rows, the rows one by one without that one."""
    try:
        store_messages(messages=rows)
    except (DataError, IntegrityError):
        for row in rows:
            try:
                store_messages(messages=[row])
            except (DataError, IntegrityError):
                logger.exception("A frame of charge point %d is not in the message log", row.charge_point_id)


def _storable(text: str) -> str:
    """Text as PostgreSQL takes it: no NUL, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
