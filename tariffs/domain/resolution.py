"""Which tariff assignment wins. The order is written here and nowhere else.

1. The most specific place: connector > charge point > location > region > country > network; then a named power class
   beats any.
2. The most specific customer: contract type > customer group > anybody; then a named channel beats any channel.
3. The higher priority. 4. The later `valid_from`. 5. The later entered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

PLACE_RANK = {"network": 0, "country": 1, "region": 2, "location": 3, "charge_point": 4, "connector": 5}


@dataclass(frozen=True, slots=True)
class Candidate:
    """An assignment whose place includes the connector in question."""

    assignment_id: int
    tariff_code: str
    scope: str
    power_class: str
    contract_type_id: int | None
    customer_group_id: int | None
    channel: str
    valid_from: datetime
    valid_until: datetime | None
    priority: int


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants to charge, at which power class, by which channel, when."""

    power_class: str
    contract_type_id: int | None
    customer_group_id: int | None
    channel: str
    at: datetime


def mismatch(candidate: Candidate, question: Question) -> str:
    """Code of the first reason why the candidate does not apply; empty when it does."""
    if candidate.valid_from > question.at:
        return "not_yet_valid"
    if candidate.valid_until is not None and candidate.valid_until <= question.at:
        return "no_longer_valid"
    if candidate.power_class and candidate.power_class != question.power_class:
        return "other_power_class"
    if candidate.contract_type_id is not None and candidate.contract_type_id != question.contract_type_id:
        return "other_contract_type"
    if candidate.customer_group_id is not None and candidate.customer_group_id != question.customer_group_id:
        return "other_customer_group"
    if candidate.channel and candidate.channel != question.channel:
        return "other_channel"
    return ""


def rank(candidate: Candidate) -> tuple[int, bool, bool, bool, bool, int, datetime, int]:
    """Sort key: the largest wins."""
    return (
        PLACE_RANK[candidate.scope],
        bool(candidate.power_class),
        candidate.contract_type_id is not None,
        candidate.customer_group_id is not None,
        bool(candidate.channel),
        candidate.priority,
        candidate.valid_from,
        candidate.assignment_id,
    )


# What decides between two applicable candidates, in the order of `rank`.
DECIDED_BY = (
    "place", "power_class", "contract_type", "customer_group", "channel", "priority", "valid_from", "entered",
)  # fmt: skip


def decided_by(winner: Candidate, other: Candidate) -> str:
    """The first point in the written order at which `winner` is ahead of `other` (DECIDED_BY)."""
    pairs = zip(DECIDED_BY, rank(winner), rank(other), strict=True)
    return next(name for name, ours, theirs in pairs if ours != theirs)


def lost_by(winner: Candidate, other: Candidate) -> str:
    """The reason code of an applicable candidate that is not the best."""
    return {"priority": "lower_priority", "valid_from": "older", "entered": "older"}.get(
        decided_by(winner, other), "less_specific"
    )


def shadows(upper: Candidate, lower: Candidate) -> bool:
    """Whether `upper` applies and wins wherever, for whomever and whenever `lower` does, if both name places in one
    another; the caller knows that. Equal in everything but the order of entry is a shadow, too."""
    return (
        upper.power_class in ("", lower.power_class)
        and upper.contract_type_id in (None, lower.contract_type_id)
        and upper.customer_group_id in (None, lower.customer_group_id)
        and upper.channel in ("", lower.channel)
        and upper.valid_from <= lower.valid_from
        and (upper.valid_until is None or (lower.valid_until is not None and lower.valid_until <= upper.valid_until))
        and rank(upper) > rank(lower)
    )


def in_order(candidates: Iterable[Candidate], question: Question) -> tuple[list[Candidate], dict[int, str]]:
    """Applicable candidates, best first, and the reason code of every other by assignment id."""
    applicable: list[Candidate] = []
    excluded: dict[int, str] = {}
    for candidate in candidates:
        reason = mismatch(candidate, question)
        if reason:
            excluded[candidate.assignment_id] = reason
        else:
            applicable.append(candidate)
    return sorted(applicable, key=rank, reverse=True), excluded
