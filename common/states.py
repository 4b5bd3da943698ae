"""State tables: which step may follow which. A repeat is a no-op, a wrong step raises."""

from collections.abc import Mapping
from typing import Any

from common.errors import InvalidTransition

# A status -> the statuses that may follow it. Both are members of a model's TextChoices, which are str.
Transitions = Mapping[Any, Any]


def may_step(transitions: Transitions, old: str, new: str) -> bool:
    """True when `new` may follow `old`, or is where we already are."""
    return new == old or new in transitions.get(old, ())


def check_step(transitions: Transitions, old: str, new: str) -> bool:
    """True when the step changes something, False for a repeat. Raises InvalidTransition for any other step."""
    if new == old:
        return False
    if new not in transitions.get(old, ()):
        raise InvalidTransition(f"Cannot go from “{old}” to “{new}”. Nothing was changed.")
    return True
