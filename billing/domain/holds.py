"""How much is held on a card, and how much of that a session may use. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from enum import IntEnum
from typing import Any

from billing.domain.admission import DEFAULT_HOLDS, Exposure, limit_for
from common.currencies import quantize_amount, quantum

# What of a hold is kept back, so that the stop command and the last seconds stay inside it.
BUFFER = Decimal("0.02")


class Place(IntEnum):
    """Where an amount is stated, the nearest first. A contract type states its own for its customers."""

    CONNECTOR = 1
    LOCATION = 2
    TARIFF = 3
    CONTRACT_TYPE = 4
    NETWORK = 5


@dataclass(frozen=True, slots=True)
class StatedAmount:
    """An amount stated for a place; an empty power class or channel stands for all of them."""

    place: Place
    power_class: str
    channel: str
    amount: Decimal


def choose(
    stated: Iterable[StatedAmount], *, contract_policy: Mapping[str, Any], power_class: str, channel: str
) -> Decimal:
    """The amount to hold: of the nearest place that states one; there, the one for the power class, then the channel.

    `contract_policy` is the contract type's own: an amount per power class. Nothing stated: 25 AC, 50 DC, 80 HPC.
    """
    own = contract_policy.get(power_class)
    rules = [*stated]
    if own is not None:
        rules.append(StatedAmount(Place.CONTRACT_TYPE, power_class, "", Decimal(str(own))))
    fitting = [rule for rule in rules if rule.power_class in ("", power_class) and rule.channel in ("", channel)]
    if not fitting:
        return DEFAULT_HOLDS[power_class]
    return min(fitting, key=lambda rule: (rule.place, not rule.power_class, not rule.channel)).amount


def usable_part(held: Decimal, currency: str) -> Decimal:
    """What a session may cost by the next meter value before it is stopped: the hold less a buffer."""
    return quantize_amount(held - held * BUFFER, currency, rounding=ROUND_DOWN)


def fitted(stated: Decimal, exposure: Exposure, currency: str, *, least: Decimal) -> Decimal:
    """The amount to hold where `stated` is what the policies say and the tariff limits what a session can cost.

    Raised where the first minute can use all of it, lowered where no stay can (`billing.domain.admission.limit_for`);
    never lowered below `least`, which is what a card can be charged at all.
    """
    usable = usable_part(stated, currency)
    wanted = limit_for(usable, exposure, quantum(currency))
    if wanted == usable:
        return stated
    needed = quantize_amount(wanted / (1 - BUFFER), currency, rounding=ROUND_UP)
    return max(needed, min(stated, least))
