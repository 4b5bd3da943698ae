"""What a gateway process does with the database each second, for all its sockets at once."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from billing.models import ChargingSession
from billing.services.sessions import cancel_request
from ocpp_gateway.models import Command
from ocpp_gateway.selectors.connections import connections_of
from ocpp_gateway.services.admission import Station, stations_now
from ocpp_gateway.services.commands import take_commands
from ocpp_gateway.services.connections import drop_stale_connections, refresh_connections
from ocpp_gateway.services.decisions import follow_decisions
from ocpp_gateway.services.v201.waiting import tell_waiting_events

HOUSEKEEPING_EVERY = timedelta(seconds=5)


@dataclass
class Round:
    """What a process remembers from one round to the next."""

    process_id: UUID
    housekept_at: datetime | None = None
    heard_from: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`commands` to send now; `current`: the connections that still count, None when this round did not look;
    `stations`: those held as they are known now, as far as this round looked."""

    commands: list[Command]
    current: set[UUID] | None
    stations: dict[int, Station]
    changed_sessions: list[UUID]


def do_round(state: Round, *, held: Collection[int], heard_from: Collection[int], now: datetime) -> Outcome:
    """Queue what was decided about sessions elsewhere and take the commands due; every few seconds also show that the
    process lives, look which of its sockets still count, drop what killed processes left behind, cancel requested
    sessions whose start never came, give up waiting for events that never come, and look what operators changed about
    the stations held."""
    state.heard_from.update(heard_from)
    current: set[UUID] | None = None
    changed: list[UUID] = []
    stations: dict[int, Station] = {}
    if state.housekept_at is None or now - state.housekept_at >= HOUSEKEEPING_EVERY:
        state.housekept_at = now
        refresh_connections(process_id=state.process_id, heard_from=state.heard_from, at=now)
        state.heard_from.clear()
        drop_stale_connections(now=now)
        changed = cancel_late_starts(now=now) + tell_waiting_events(now=now)
        current = connections_of(state.process_id)
        stations = stations_now(held) if held else {}
    follow_decisions(now=now)
    return Outcome(take_commands(held=held, now=now), current, stations, changed)


def cancel_late_starts(*, now: datetime) -> list[UUID]:
    """Give back what was reserved for sessions the station did not start in time; returns their public ids.

    Each in its own transaction; safe to repeat and beside other processes.
    """
    late = ChargingSession.objects.filter(status=ChargingSession.Status.REQUESTED, start_deadline_at__lt=now)
    cancelled = [
        cancel_request(session_id=session_id, reason="start_deadline_passed")
        for session_id in late.values_list("pk", flat=True)
    ]
    return [session.public_id for session in cancelled if session is not None]
