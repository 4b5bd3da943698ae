"""What billing answers the gateway. Values only: the gateway turns them into frames and commands."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Authorization:
    """Whether a presented id tag may charge. `code` is stable, `message` is for the person."""

    accepted: bool
    code: str = "accepted"
    message: str = ""
    driver_id: int | None = None


@dataclass(frozen=True, slots=True)
class StartResult:
    """`session_id` is the OCPP transactionId. It exists even when the start is refused: the report is a fact."""

    session_id: int
    public_id: UUID
    accepted: bool
    code: str = "accepted"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Directive:
    """What the station should do next. `recognised` is False when the report belongs to no session of this point."""

    stop: bool = False
    warn: bool = False
    reason: str = ""
    session_id: int | None = None
    public_id: UUID | None = None
    recognised: bool = True


@dataclass(frozen=True, slots=True)
class StopResult:
    """Outcome of a stop report. Parked: the gateway keeps the report for an operator.

    `reason` also names the doubt of a session that waits in review itself; its report is not parked a second time.
    """

    recognised: bool
    parked: bool = False
    reason: str = ""
    session_id: int | None = None
    public_id: UUID | None = None
