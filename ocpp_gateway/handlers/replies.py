"""What a handler hands back to the socket."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer's payload, and which live pages should look again once it is sent.

    `foreign_session_id` is set when the station named a transaction of another charge point; `clock_reading` when it
    said what time it is, or nearly; `is_boot` when it starts anew.
    """

    payload: dict[str, Any] = field(default_factory=dict)
    changed_sessions: tuple[UUID, ...] = ()
    network_changed: bool = False
    foreign_session_id: int | None = None
    clock_reading: datetime | None = None
    is_boot: bool = False
