"""Whether our books and the provider say the same of one payment, hold, refund or dispute. Pure.

Both sides are told in four words: money was taken (of a refund: given back), money is held, it is not decided, or no
money moved.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Fate(StrEnum):
    TAKEN = "taken"
    HELD = "held"
    OPEN = "open"
    NOTHING = "nothing"


class Kind(StrEnum):
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT_DIFFERS = "amount_differs"
    STATE_DIFFERS = "state_differs"
    ORPHAN_HOLD = "orphan_hold"
    DUPLICATE_CHARGE = "duplicate_charge"


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says: `amount` is what was taken or is held, `currency` included in no comparison of nothing."""

    fate: Fate
    amount: Decimal
    currency: str


def judge(ours: Side | None, theirs: Side | None, *, is_paid_otherwise: bool = False) -> Kind | None:
    """What is wrong; None when both sides agree. A side is None where nobody there knows of it.

    `is_paid_otherwise`: what this one is to pay was paid by another payment.
    """
    if ours is None or theirs is None:
        return _judge_one(ours, theirs)
    if theirs.fate is Fate.HELD and ours.fate is Fate.NOTHING:
        return Kind.ORPHAN_HOLD
    if theirs.fate is Fate.TAKEN and is_paid_otherwise:
        return Kind.DUPLICATE_CHARGE
    if ours.fate is not theirs.fate:
        return Kind.STATE_DIFFERS
    if ours.fate in (Fate.TAKEN, Fate.HELD) and (ours.amount, ours.currency) != (theirs.amount, theirs.currency):
        return Kind.AMOUNT_DIFFERS
    return None


def _judge_one(ours: Side | None, theirs: Side | None) -> Kind | None:
    if theirs is not None:
        return {Fate.TAKEN: Kind.MISSING_HERE, Fate.HELD: Kind.ORPHAN_HOLD}.get(theirs.fate)
    if ours is not None and ours.fate in (Fate.TAKEN, Fate.HELD):
        return Kind.MISSING_THERE
    return None
