"""What a station's clock is off by, learnt from the moments it reports. Pure.

A station that reports the present says with it what its clock shows. One that empties a backlog reports the past; the
two look alike in one report. So a clock is believed to be wrong only after two reports, received at least a minute
apart, that differ from our time by the same: a backlog is sent at once, and its reports are as far apart as what they
tell.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# Clocks that differ by less are right: networks delay, stations report whole seconds.
RIGHT_WITHIN: Final = timedelta(seconds=30)
_AGREE_WITHIN: Final = timedelta(seconds=10)
_APART: Final = timedelta(seconds=60)
# A clock further off than this lost the time, and with its next boot gets it anew or loses it again.
LOST: Final = timedelta(days=1)


@dataclass(slots=True)
class ClockWatch:
    """One station's clock. `observe` what it reports; `booted` when it starts anew."""

    _offset: timedelta | None = None
    _since: datetime | None = None

    def observe(self, *, reported_at: datetime, received_at: datetime) -> int | None:
        """The seconds to add to what the station reports, when that is certain now; None when it is not."""
        offset = received_at - reported_at
        if abs(offset) <= RIGHT_WITHIN:
            self._offset = self._since = None
            return 0
        if self._offset is None or self._since is None or abs(offset - self._offset) > _AGREE_WITHIN:
            self._offset, self._since = offset, received_at
            return None
        return round(offset.total_seconds()) if received_at - self._since >= _APART else None

    def booted(self, *, offset_seconds: int) -> int | None:
        """What is known so far does not count any more; 0 where the offset so far was that of a clock that had lost
        the time, else None: clocks set to local time stay so."""
        self._offset = self._since = None
        return 0 if abs(offset_seconds) > LOST.total_seconds() else None
