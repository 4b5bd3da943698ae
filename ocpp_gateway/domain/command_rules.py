"""What a version of OCPP lets us ask: which commands, how long an answer may take, what it means. Pure.

One `CommandSet` per version; the queue knows no version's names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import jsonschema_rs

ACCEPTED: Final = frozenset({"Accepted"})


@dataclass(frozen=True, slots=True)
class CommandRule:
    """Given up when not sent within `expires`; `waits` for an answer; `attempts` in all.

    `accepted` are the answer's status values that mean yes. An action without a status in its answer (GetConfiguration)
    is accepted by being answered.
    """

    waits: timedelta = timedelta(seconds=30)
    expires: timedelta = timedelta(seconds=60)
    attempts: int = 1
    accepted: frozenset[str] = ACCEPTED


@dataclass(frozen=True, slots=True)
class StartOrder:
    """A session to be started: what each version puts into its own remote start."""

    connector_number: int
    evse_number: int
    id_tag: str
    session_id: int


@dataclass(frozen=True, slots=True)
class StopOrder:
    """A session to be stopped; `station_transaction_id` where the station numbers its transactions itself."""

    session_id: int
    station_transaction_id: str = ""


Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class CommandSet:
    """The commands of one version. `start` and `stop` write the remote start and stop of a session; `start_action` is
    the former's name."""

    version: str
    start_action: str
    actions: frozenset[str]
    validator: Callable[[str], jsonschema_rs.Validator]
    start: Callable[[StartOrder], Request]
    stop: Callable[[StopOrder], Request]
    # What makes a station report what it is, as after a restart.
    boot: Request = ("TriggerMessage", {"requestedMessage": "BootNotification"})
    rules: Mapping[str, CommandRule] = field(default_factory=dict)
    default_rule: CommandRule = field(default_factory=CommandRule)

    def rule_of(self, action: str) -> CommandRule:
        return self.rules.get(action, self.default_rule)

    def is_accepted(self, action: str, response: Mapping[str, Any]) -> bool:
        """True when the station's answer means that it does as asked."""
        status = response.get("status")
        return status is None or status in self.rule_of(action).accepted

    def defects(self, action: str, payload: dict[str, Any]) -> Sequence[str]:
        """What is wrong with a command, in words for whoever wrote it; empty when a station would understand it."""
        if action not in self.actions:
            return [f"{action}: not a command of OCPP {self.version}"]
        compiled = self.validator(action)
        if compiled.is_valid(payload):
            return []
        return [_in_words(error) for error in compiled.iter_errors(payload)]


def _in_words(error: jsonschema_rs.ValidationError) -> str:
    where = ".".join(str(step) for step in error.instance_path)
    return f"{where}: {error.message}" if where else error.message
