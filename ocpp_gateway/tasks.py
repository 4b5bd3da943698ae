"""Background work of the gateway (django-q2)."""

from datetime import timedelta

from common import clock
from ocpp_gateway.services.commands import take_commands
from ocpp_gateway.services.connections import drop_stale_connections
from ocpp_gateway.services.decisions import follow_decisions
from ocpp_gateway.services.messages import prune_messages
from ocpp_gateway.services.v201.reports import prune_reports
from ocpp_gateway.services.v201.transactions import prune_transactions
from ocpp_gateway.services.v201.waiting import tell_waiting_events

# How long frames are kept. Reports that matter to money are kept by what they became.
KEEP_MESSAGES = timedelta(days=30)

# (name, function, minutes between two runs)
SCHEDULES = [
    ("Give up overdue station commands", "ocpp_gateway.tasks.sweep_commands", 1),
    ("Mark stations of stopped gateways as offline", "ocpp_gateway.tasks.sweep_connections", 1),
    ("Give up waiting for transaction events", "ocpp_gateway.tasks.sweep_transactions", 1),
    ("Prune the message log", "ocpp_gateway.tasks.prune_message_log", 60),
]


def sweep_commands() -> None:
    """Queue, expire and time out commands even while no gateway runs. Safe to repeat and beside running gateways."""
    follow_decisions(now=clock.now())
    take_commands(held=(), now=clock.now())


def sweep_connections() -> int:
    """Mark the stations of killed gateways as offline; returns how many. Safe to repeat."""
    return drop_stale_connections(now=clock.now())


def sweep_transactions() -> int:
    """Tell billing the events behind a gap even while no gateway runs; returns how many sessions changed."""
    return len(tell_waiting_events(now=clock.now()))


def prune_message_log() -> int:
    """Delete frames, station reports and told transactions older than `KEEP_MESSAGES`; returns how many.

    Safe to repeat.
    """
    before = clock.now() - KEEP_MESSAGES
    return prune_messages(before=before) + prune_transactions(before=before) + prune_reports(before=before)
