"""Several sessions decided one after the other, each on what the ones before it left. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from billing.domain.plan import AccountState, PostingPlan
from billing.domain.settlement import Bill, Facts, FreeRules, decide


@dataclass(frozen=True, slots=True)
class Together:
    """What becomes of a group: `bills` with their postings, in order; `apart` are the ids of sessions that need more
    than a bill written and are settled on their own.
    """

    bills: list[tuple[Bill, PostingPlan | None]]
    apart: list[int]


def decide_together(group: Iterable[Facts], rules: FreeRules) -> Together:
    """Decide the sessions in order. `group` was read at once, so of a driver with two of them the second finds the
    wallet and the chain as the first one's bill leaves them.

    Apart are sessions that are free or in doubt, that open an account, or that give a hold back without drawing.
    """
    together = Together([], [])
    states: dict[str, AccountState] = {}
    drawn: dict[int, Decimal] = {}
    for facts in group:
        bill = decide(_as_left(facts, states, drawn), rules)
        if not isinstance(bill, Bill) or bill.missing_accounts() or (facts.holds and not bill.drawn):
            together.apart.append(facts.session_id)
            continue
        plan = bill.posting_plan({})
        together.bills.append((bill, plan))
        if plan is not None:
            states |= {
                key: replace(
                    state, tip=plan.tips[state.id], pending=state.pending - plan.released.get(state.id, Decimal(0))
                )
                for key, state in bill.facts.accounts.items()
                if state.id in plan.tips
            }
        for leg in bill.legs:
            if leg.lot_id is not None:
                drawn[leg.lot_id] = drawn.get(leg.lot_id, Decimal(0)) + leg.amount
    return together


def _as_left(facts: Facts, states: Mapping[str, AccountState], drawn: Mapping[int, Decimal]) -> Facts:
    accounts = {key: states.get(key, state) for key, state in facts.accounts.items()}
    if accounts == facts.accounts:
        return facts
    lots = [replace(lot, remaining=lot.remaining - drawn.get(lot.id, Decimal(0))) for lot in facts.lots]
    return replace(facts, accounts=accounts, lots=[lot for lot in lots if lot.remaining > 0])
