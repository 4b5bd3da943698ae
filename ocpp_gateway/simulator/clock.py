"""The simulated stations' clock. It may run faster than ours, but never ahead of it."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from common import clock as our_clock

_LONGEST_NAP_SECONDS = 1.0


class StationClock:
    """Starts at `starts_at` in the past and runs at `speed` until it has caught up with us; from then on at ours.

    So what a fast station reports lies in the past, one session after the other, and nothing lies in the future.
    """

    def __init__(
        self,
        *,
        starts_at: datetime,
        speed: int,
        now: Callable[[], datetime] = our_clock.now,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._starts_at = starts_at
        self._speed = speed
        self._now = now
        self._ticks = ticks
        self._began = ticks()

    def now(self) -> datetime:
        ahead = self._starts_at + timedelta(seconds=(self._ticks() - self._began) * self._speed)
        return min(ahead, self._now())

    @property
    def has_caught_up(self) -> bool:
        return self.now() >= self._now() - timedelta(seconds=1)

    def catch_up(self) -> None:
        """Jump to our time: somebody is standing in front of the station."""
        self._starts_at, self._speed, self._began = self._now(), 1, self._ticks()

    async def sleep(self, seconds: float) -> None:
        """Wait while this many seconds pass on this clock."""
        wake_at = self.now() + timedelta(seconds=seconds)
        while (left := (wake_at - self.now()).total_seconds()) > 0:
            speed = 1 if self.has_caught_up else self._speed
            await asyncio.sleep(min(left / speed, _LONGEST_NAP_SECONDS))
