"""What changes about a station while its socket is open: what an operator decides, what its clock is off by."""

import logging
from dataclasses import replace
from typing import Final

from django.db import Error as DatabaseFailure

from common import clock
from locations.services.status import set_clock_offset
from ocpp_gateway.database_threads import DatabaseThreads
from ocpp_gateway.domain.clocks import ClockWatch
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.links import StationLink
from ocpp_gateway.services.admission import Station
from ocpp_gateway.services.remote import ask_to_boot

logger = logging.getLogger(__name__)

# An offset learnt anew counts when it differs by more than delays do.
_STEP_SECONDS: Final = 15


class StationWatch:
    """Keeps the stations of a process's sockets as they are known now. One clock per station, not per socket."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._clocks: dict[int, ClockWatch] = {}

    async def update(self, link: StationLink | None, station: Station) -> None:
        """What an operator changed counts without a new connection; a station let in by now is asked to boot anew, so
        that it hears of it."""
        if link is None or link.station == station:
            return
        is_approved = station.is_admitted and not link.station.is_admitted
        link.station = station
        if is_approved:
            try:
                await self._threads.run(ask_to_boot, charge_point_id=station.charge_point_id)
            except DatabaseFailure:
                # It boots again by itself after the interval it was told.
                logger.exception("%s could not be asked to boot", station.identity)

    async def follow_clock(self, link: StationLink, reply: Reply) -> None:
        """Learn what the station's clock is off by, and count with it from here on."""
        station = link.station
        watch = self._clocks.setdefault(station.charge_point_id, ClockWatch())
        offset = None
        if reply.clock_reading is not None:
            offset = watch.observe(reported_at=reply.clock_reading, received_at=clock.now())
        elif reply.is_boot:
            offset = watch.booted(offset_seconds=station.clock_offset_seconds)
        if offset is None or abs(offset - station.clock_offset_seconds) < _STEP_SECONDS:
            return
        try:
            await self._threads.run(set_clock_offset, charge_point_id=station.charge_point_id, seconds=offset)
        except DatabaseFailure:
            logger.exception("%s: what its clock is off by could not be stored", station.identity)
            return
        logger.warning("%s: its clock is off by %d s", station.identity, -offset)
        link.station = replace(station, clock_offset_seconds=offset)
