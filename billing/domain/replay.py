"""What another tariff would have made of past sessions, summed up as they pass by: memory does not grow. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from billing.domain.repricing import Amounts, Repriced
from common.currencies import quantize_amount, quantum

# Examples of sessions named for each reason they cannot be priced, and at each end of the distribution.
EXAMPLES = 5
# Where the classes of the distribution end, in units of a hundred of the currency's smallest amount: 1.00 EUR, 100 JPY.
EDGES = tuple(map(Decimal, ("-20", "-10", "-5", "-2", "-1", "-0.5", "0", "0.5", "1", "2", "5", "10", "20")))
_NOTHING = Amounts(Decimal(0), Decimal(0), Decimal(0))


def _plus(one: Amounts, other: Amounts) -> Amounts:
    return Amounts(one.net + other.net, one.vat + other.vat, one.gross + other.gross)


@dataclass(slots=True)
class Revenue:
    """Sessions that could be priced, what they were billed and what they would have cost."""

    sessions: int = 0
    before: Amounts = _NOTHING
    after: Amounts = _NOTHING

    def add(self, before: Amounts, after: Amounts) -> None:
        self.sessions += 1
        self.before = _plus(self.before, before)
        self.after = _plus(self.after, after)

    @property
    def difference(self) -> Amounts:
        before, after = self.before, self.after
        return Amounts(after.net - before.net, after.vat - before.vat, after.gross - before.gross)


@dataclass(slots=True)
class Side:
    """Sessions that would have cost less, or more; `amount` is by how much all together, with VAT, never below zero."""

    sessions: int = 0
    amount: Decimal = Decimal(0)


@dataclass(slots=True)
class NotPriced:
    """Sessions that cannot be priced for one reason; `billed` is what they were billed with VAT, by currency."""

    sessions: int = 0
    billed: dict[str, Decimal] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Replay:
    """The sums of a replay in the tariff's `currency`. Winners are drivers who would have paid less, with VAT."""

    currency: str
    total: Revenue = field(default_factory=Revenue)
    winners: Side = field(default_factory=Side)
    losers: Side = field(default_factory=Side)
    unchanged: int = 0
    locations: dict[str, Revenue] = field(default_factory=dict)
    customer_groups: dict[str, Revenue] = field(default_factory=dict)
    not_priced: dict[str, NotPriced] = field(default_factory=dict)
    _classes: Counter[int] = field(default_factory=Counter)

    def add(self, session: Repriced, *, location: str, customer_group: str) -> None:
        """Count one session. `customer_group` is empty for a driver in none."""
        if session.payable is None or session.difference is None:
            entry = self.not_priced.setdefault(session.problem, NotPriced())
            entry.sessions += 1
            past = session.past
            billed = quantize_amount(past.billed.gross, past.currency)
            entry.billed[past.currency] = entry.billed.get(past.currency, Decimal(0)) + billed
            if len(entry.examples) < EXAMPLES:
                entry.examples.append(past.public_id)
            return
        before = self._rounded(session.past.billed)
        after = Amounts(session.payable.net, session.payable.vat, session.payable.gross)
        self.total.add(before, after)
        self.locations.setdefault(location, Revenue()).add(before, after)
        self.customer_groups.setdefault(customer_group, Revenue()).add(before, after)
        difference = session.difference
        if not difference:
            self.unchanged += 1
            return
        side = self.losers if difference > 0 else self.winners
        side.sessions += 1
        side.amount += abs(difference)
        self._classes[_class_of(difference, self._edges())] += 1

    @property
    def sessions(self) -> int:
        """All that were looked at."""
        return self.total.sessions + sum(entry.sessions for entry in self.not_priced.values())

    def distribution(self) -> list[tuple[Decimal | None, Decimal | None, int]]:
        """Sessions whose price changes, by how much: (above, up to, sessions), None where a class is open. Below zero
        the lower end belongs to the class, above zero the upper: a difference of exactly 1.00 is in 0.50 to 1.00.
        """
        edges = self._edges()
        lows: list[Decimal | None] = [None, *edges]
        highs: list[Decimal | None] = [*edges, None]
        return [(low, high, self._classes[index]) for index, (low, high) in enumerate(zip(lows, highs, strict=True))]

    def take_distribution(self, counts: Sequence[int]) -> None:
        """Set how many sessions are in each class, in the order of `distribution`."""
        self._classes = Counter({index: count for index, count in enumerate(counts) if count})

    def _rounded(self, stored: Amounts) -> Amounts:
        """A column's places are not the currency's."""
        return Amounts(*(quantize_amount(amount, self.currency) for amount in (stored.net, stored.vat, stored.gross)))

    def _edges(self) -> tuple[Decimal, ...]:
        unit = quantum(self.currency) * 100
        return tuple(edge * unit for edge in EDGES)


def _class_of(difference: Decimal, edges: Sequence[Decimal]) -> int:
    if difference < 0:
        return sum(edge <= difference for edge in edges)
    return sum(edge < difference for edge in edges)


def replay_document(replay: Replay) -> dict[str, Any]:
    """The sums as JSON values; amounts are Decimals for `jsontext.dumps`."""
    return {
        "currency": replay.currency,
        "sessions": replay.sessions,
        **_revenue(replay.total),
        "winners": {"sessions": replay.winners.sessions, "amount": replay.winners.amount},
        "losers": {"sessions": replay.losers.sessions, "amount": replay.losers.amount},
        "unchanged": replay.unchanged,
        "distribution": [{"from": low, "to": high, "sessions": count} for low, high, count in replay.distribution()],
        "locations": [{"location": name, **_revenue(revenue)} for name, revenue in sorted(replay.locations.items())],
        "customer_groups": [
            {"customer_group": name, **_revenue(revenue)} for name, revenue in sorted(replay.customer_groups.items())
        ],
        "not_priced": [
            {"reason": reason, "sessions": entry.sessions, "billed": entry.billed, "examples": entry.examples}
            for reason, entry in sorted(replay.not_priced.items())
        ],
    }


def replay_from_document(document: Mapping[str, Any]) -> Replay:
    """The sums that `replay_document` wrote, to be added to; amounts may have become strings."""
    replay = Replay(
        currency=document["currency"],
        total=_revenue_from(document),
        winners=_side_from(document["winners"]),
        losers=_side_from(document["losers"]),
        unchanged=document["unchanged"],
        locations={row["location"]: _revenue_from(row) for row in document["locations"]},
        customer_groups={row["customer_group"]: _revenue_from(row) for row in document["customer_groups"]},
        not_priced={row["reason"]: _not_priced_from(row) for row in document["not_priced"]},
    )
    replay.take_distribution([row["sessions"] for row in document["distribution"]])
    return replay


def _revenue_from(row: Mapping[str, Any]) -> Revenue:
    return Revenue(row["priced"], _amounts_from(row["before"]), _amounts_from(row["after"]))


def _amounts_from(row: Mapping[str, Any]) -> Amounts:
    return Amounts(Decimal(row["net"]), Decimal(row["vat"]), Decimal(row["gross"]))


def _side_from(row: Mapping[str, Any]) -> Side:
    return Side(row["sessions"], Decimal(row["amount"]))


def _not_priced_from(row: Mapping[str, Any]) -> NotPriced:
    billed = {currency: Decimal(amount) for currency, amount in row["billed"].items()}
    return NotPriced(row["sessions"], billed, list(row["examples"]))


def _revenue(revenue: Revenue) -> dict[str, Any]:
    return {
        "priced": revenue.sessions,
        "before": _amounts(revenue.before),
        "after": _amounts(revenue.after),
        "difference": _amounts(revenue.difference),
    }


def _amounts(amounts: Amounts) -> dict[str, Decimal]:
    return {"net": amounts.net, "vat": amounts.vat, "gross": amounts.gross}
