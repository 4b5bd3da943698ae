"""TransactionEvent of OCPP 2.0.1: what one says, and in which order several are told. Pure.

Source: OCPP 2.0.1 part 2, use cases E01-E15.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from billing.domain.samples import MeterSample
from ocpp_gateway.domain.v201.meter import read_samples
from ocpp_gateway.domain.values import Moment, normalise_id_tag, read_moment

STARTED: Final = "Started"
UPDATED: Final = "Updated"
ENDED: Final = "Ended"
_RANK: Final[Mapping[str, int]] = {STARTED: 0, UPDATED: 1, ENDED: 2}
_LARGEST_NUMBER: Final = 2_147_483_647
# Words of a report that may change when it is sent again.
_NOT_THE_REPORT: Final = frozenset({"offline"})
# The vehicle is served or waits for its turn; or it asks for nothing.
REQUESTS_POWER: Final[Mapping[str, bool]] = {"Charging": True, "SuspendedEVSE": True, "SuspendedEV": False}
# Connected without charging, or gone: parking, once charging was possible.
NOT_CHARGING: Final = frozenset({"EVConnected", "Idle"})
_LEFT: Final = frozenset({"EVDeparted", "EVCommunicationLost"})


@dataclass(frozen=True, slots=True)
class Habits:
    """How a station's clock and card reader are known to differ."""

    clock_offset: timedelta = timedelta(0)
    id_tag_separator: str = ""


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """One event. Empty text and None: the station did not say."""

    transaction_id: str
    kind: str
    seq_no: int
    moment: Moment
    trigger_reason: str
    id_tag: str
    evse_number: int | None
    connector_number: int | None
    remote_start_id: int | None
    charging_state: str
    stopped_reason: str
    samples: tuple[MeterSample, ...]

    @property
    def vehicle_has_left(self) -> bool:
        return self.charging_state == "Idle" or self.stopped_reason == "EVDisconnected" or self.trigger_reason in _LEFT


def read_event(payload: Mapping[str, Any], *, received_at: datetime, habits: Habits) -> TransactionEvent:
    """Read a TransactionEvent that has passed its schema or the repairs. Numbers out of range count as not said."""
    about = payload["transactionInfo"]
    evse = payload.get("evse") or {}
    return TransactionEvent(
        transaction_id=about["transactionId"].strip(),
        kind=payload["eventType"],
        seq_no=_number(payload.get("seqNo")) or 0,
        moment=read_moment(payload.get("timestamp"), received_at=received_at, clock_offset=habits.clock_offset),
        trigger_reason=payload.get("triggerReason", ""),
        id_tag=read_id_tag(payload, habits),
        evse_number=_number(evse.get("id")),
        connector_number=_number(evse.get("connectorId")),
        remote_start_id=_number(about.get("remoteStartId")),
        charging_state=about.get("chargingState", ""),
        stopped_reason=about.get("stoppedReason", ""),
        samples=read_samples(
            payload.get("meterValue") or (), received_at=received_at, clock_offset=habits.clock_offset
        ),
    )


def read_id_tag(payload: Mapping[str, Any], habits: Habits) -> str:
    """The identifier of an idToken object; empty for none (also of type NoAuthorization)."""
    token = payload.get("idToken") or {}
    return normalise_id_tag(token.get("idToken", ""), suffix_separator=habits.id_tag_separator)


def fingerprint(payload: Mapping[str, Any]) -> str:
    """The same for a report that is sent again, whatever its message id."""
    content = {name: value for name, value in payload.items() if name not in _NOT_THE_REPORT}
    text = json.dumps(content, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Report(Protocol):
    """A stored event as far as its turn depends on it."""

    kind: str
    seq_no: int
    fingerprint: str


R = TypeVar("R", bound=Report)


def take_in_turn(waiting: Iterable[R], *, told_through: int | None, give_up: bool = False) -> list[R]:
    """The waiting reports whose turn it is, in the order of their numbers.

    `told_through` is the highest number told so far, None before the start. A start, a number already passed (stations
    that do not count) and the next number have their turn; what lies behind a gap waits, unless `give_up`.
    """
    taken: list[R] = []
    for report in sorted(waiting, key=lambda report: (_RANK[report.kind], report.seq_no, report.fingerprint)):
        is_next = told_through is not None and report.seq_no <= told_through + 1
        if not (report.kind == STARTED or is_next or give_up):
            break
        taken.append(report)
        told_through = max(report.seq_no, told_through or 0)
    return taken


def _number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_NUMBER:
        return None
    return value
