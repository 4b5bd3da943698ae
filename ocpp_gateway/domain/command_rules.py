"""What each command's answer means, how long it may take, whether it is asked again. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class CommandRule:
    """`waits` for an answer; `attempts` in all; `accepted` are the answer's status values that mean yes.

    An action without a status in its answer (GetConfiguration) is accepted by being answered.
    """

    waits: timedelta = timedelta(seconds=30)
    attempts: int = 1
    accepted: frozenset[str] = frozenset({"Accepted"})


_DEFAULT: Final = CommandRule()
_RULES: Final[Mapping[str, CommandRule]] = {
    # Asking a station to stop twice does no harm; not stopping it costs money.
    "RemoteStopTransaction": CommandRule(attempts=3),
    "UnlockConnector": CommandRule(accepted=frozenset({"Unlocked"})),
    "ChangeAvailability": CommandRule(accepted=frozenset({"Accepted", "Scheduled"})),
    "ChangeConfiguration": CommandRule(accepted=frozenset({"Accepted", "RebootRequired"})),
    "GetConfiguration": CommandRule(waits=timedelta(seconds=60)),
    "GetLog": CommandRule(accepted=frozenset({"Accepted", "AcceptedCanceled"})),
}


def rule_of(action: str) -> CommandRule:
    return _RULES.get(action, _DEFAULT)


def is_accepted(action: str, response: Mapping[str, Any]) -> bool:
    """True when the station's answer means that it does as asked."""
    status = response.get("status")
    return status is None or status in rule_of(action).accepted
