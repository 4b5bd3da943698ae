"""Running many simulated stations at once."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import timedelta

from common import clock as our_clock
from ocpp_gateway.simulator.clock import StationClock
from ocpp_gateway.simulator.network import StationPlan
from ocpp_gateway.simulator.socket import Refused
from ocpp_gateway.simulator.station import EMPTY, LINGER_PAST, STAY_PAST, SimulatedStation
from ocpp_gateway.simulator.station_201 import SimulatedStation201

logger = logging.getLogger(__name__)

_KINDS = {"1.6": SimulatedStation, "2.0.1": SimulatedStation201}
# A fast network begins a day ago; one that does a single session begins as far back as one lasts.
_PAST = timedelta(days=1)
_ONE_SESSION = timedelta(seconds=EMPTY[0] + STAY_PAST[1] + LINGER_PAST[1])


async def run_stations(
    plans: Sequence[StationPlan], *, url: str, id_tags: Sequence[str], speed: int, once: bool, seed: int | None = None
) -> list[str]:
    """Run the stations until cancelled, or with `once` until each has done one session.

    Returns the identities that did none: refused by the server, or every card refused.
    """
    stations = [
        _KINDS[plan.version](
            plan,
            url=url,
            id_tags=id_tags,
            clock=_clock_of(plan, speed=speed, once=once),
            chance=random.Random(None if seed is None else f"{seed}:{plan.identity}"),  # noqa: S311 - a simulation
        )
        for plan in plans
    ]
    await asyncio.gather(*(_run_one(station, once=once) for station in stations))
    return [station.plan.identity for station in stations if not station.sessions]


async def _run_one(station: SimulatedStation, *, once: bool) -> None:
    try:
        await station.run(once=once)
    except Refused:
        logger.error(
            "%s was not let in. The simulator knows the keys of the demo network only: run manage.py demo first.",
            station.plan.identity,
        )


def _clock_of(plan: StationPlan, *, speed: int, once: bool) -> StationClock:
    now = our_clock.now()
    starts_at = now
    if speed > 1:
        starts_at = now - (_ONE_SESSION if once else _PAST)
        if plan.last_reported_at is not None:
            starts_at = min(max(starts_at, plan.last_reported_at), now)
    return StationClock(starts_at=starts_at, speed=speed)
