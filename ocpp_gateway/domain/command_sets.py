"""The versions stations can be commanded in. Pure."""

from collections.abc import Mapping
from typing import Final

from ocpp_gateway.domain.command_rules import CommandSet, StopOrder
from ocpp_gateway.domain.v16_commands import COMMANDS_16
from ocpp_gateway.domain.v201.commands import COMMANDS_201

COMMAND_SETS: Final[Mapping[str, CommandSet]] = {known.version: known for known in (COMMANDS_16, COMMANDS_201)}
# What a remote stop is called in each of them.
STOP_ACTIONS: Final = frozenset(known.stop(StopOrder(0))[0] for known in COMMAND_SETS.values())


def commands_of(version: str) -> CommandSet:
    """The commands of an OCPP version; a charge point configured for one that is not spoken here cannot connect, and
    what is queued for it expires like any command to an absent 1.6 station."""
    return COMMAND_SETS.get(version, COMMANDS_16)
