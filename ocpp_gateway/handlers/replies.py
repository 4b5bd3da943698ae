"""What a handler hands back to the socket."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer's payload, and which live pages should look again once it is sent.

    `foreign_session_id` is set when the station named a transaction of another charge point.
    """

    payload: dict[str, Any] = field(default_factory=dict)
    changed_sessions: tuple[UUID, ...] = ()
    network_changed: bool = False
    foreign_session_id: int | None = None
