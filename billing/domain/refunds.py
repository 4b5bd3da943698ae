"""How much of what is taken back when a session's price is reversed in part. Pure.

Everything is taken from what is left, so that any number of refunds sums to the whole and none takes more than is
there; the last one takes exactly the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.domain.postings import AccountRef
from common.currencies import quantize_amount
from common.money import allocate

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class LegLeft:
    """A funding leg and what of it is not refunded yet."""

    id: int
    seq: int
    left: Decimal


@dataclass(frozen=True, slots=True)
class RateAmounts:
    """The amounts of one VAT rate; None: no tax applies. net + vat = gross."""

    percent: Decimal | None
    net: Decimal
    vat: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.vat


def spread(amount: Decimal, legs: Sequence[LegLeft]) -> dict[int, Decimal]:
    """`amount` over the legs by id, last leg of the waterfall first. Raises ValueError beyond what is left."""
    parts: dict[int, Decimal] = {}
    open_amount = amount
    for leg in sorted(legs, key=lambda leg: -leg.seq):
        part = min(leg.left, open_amount)
        if part > 0:
            parts[leg.id] = part
            open_amount -= part
    if open_amount:
        raise ValueError("more is to be refunded than the legs have left")
    return parts


def split_rates(amount: Decimal, left: Sequence[RateAmounts], currency: str) -> tuple[RateAmounts, ...]:
    """A gross `amount` over the VAT rates in proportion to what is left of each; rates that get nothing are left out.

    VAT is the part of the rate's amount the rate says, rounded, as far as net and VAT that are left allow.
    """
    shares = allocate(amount, [rate.gross for rate in left], currency)
    return tuple(_split_rate(share, rate, currency) for share, rate in zip(shares, left, strict=True) if share)


def _split_rate(share: Decimal, left: RateAmounts, currency: str) -> RateAmounts:
    percent = left.percent or Decimal(0)
    vat = quantize_amount(share * percent / (_HUNDRED + percent), currency)
    vat = min(max(vat, share - left.net), left.vat, share)
    return RateAmounts(left.percent, share - vat, vat)


def split_accounts(amount: Decimal, left: Mapping[AccountRef, Decimal], currency: str) -> dict[AccountRef, Decimal]:
    """`amount` over accounts in proportion to what is left on each (below zero counts as nothing)."""
    if not amount:
        return {}
    weights = [max(part, Decimal(0)) for part in left.values()]
    return {account: part for account, part in zip(left, allocate(amount, weights, currency), strict=True) if part}
