"""How much is set aside when a session starts, and when a running one has to stop. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

# What a start sets aside unless the contract type says otherwise: the usual price of one stay.
DEFAULT_HOLDS = {"AC": Decimal(25), "DC": Decimal(50), "HPC": Decimal(80)}

# How far ahead a running session is projected, and a starting one looked at: the usual distance of two meter values.
LOOK_AHEAD = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a session can cost at most, VAT included: until it can first be told to stop, and in the longest stay."""

    opening: Decimal
    longest: Decimal


def hold_amount(policy: Mapping[str, Any], power_class: str) -> Decimal:
    """Amount to hold at the start, in the contract's currency. `policy` may state one per power class."""
    stated = policy.get(power_class)
    return Decimal(str(stated)) if stated is not None else DEFAULT_HOLDS[power_class]


def limit_for(usual: Decimal, exposure: Exposure, unit: Decimal) -> Decimal:
    """What a session under a tariff should be allowed to cost where `usual` is what is set aside for most.

    More where its first minute can already reach that; less where no stay can. A session stops when it reaches its
    limit, so both are passed by one `unit`, the currency's smallest amount.
    """
    return min(max(usual, exposure.opening + unit), exposure.longest + unit)


def debt_limit(policy: Mapping[str, Any]) -> Decimal | None:
    """Unpaid debt above which no session starts; None when the policy never blocks. Default: any debt blocks."""
    stated = policy.get("block_above", "0")
    return None if stated is None else Decimal(str(stated))


def must_stop(*, projected_gross: Decimal, limit: Decimal | None) -> bool:
    """True when what the session will have cost by the next meter value passes what is available."""
    return limit is not None and projected_gross >= limit


def should_warn(*, cost_gross: Decimal, limit: Decimal | None) -> bool:
    """True from 80 % of the limit on."""
    return limit is not None and cost_gross * 5 >= limit * 4
