"""Who pays: the waterfall of funding sources. Pure.

Wallet promo lots, wallet cash lots, card, debt; open access is one leg paid by the operator. Which sources a session
may draw on is the contract type's say (`sources_of`); how far each goes is `allocate`'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

WALLET_PROMO, WALLET_CASH, CARD, OPEN_ACCESS, DEBT = "wallet_promo", "wallet_cash", "card", "open_access", "debt"
WALLET_SOURCES = frozenset({WALLET_PROMO, WALLET_CASH})
PROMO, CASH = "promo", "cash"
# How a session without an account is paid; every other billing model is a contract type's.
AD_HOC = "ad_hoc"

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lot:
    """What is left of money that came into a wallet at once. `kind` is promo or cash."""

    id: int
    kind: str
    remaining: Decimal
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Something a session may draw on, up to `limit` (None: as much as it takes)."""

    source: str
    limit: Decimal | None = None
    lot_id: int | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """The part of a payable one source pays. `seq` counts from 1 in the order of the waterfall."""

    seq: int
    source: str
    amount: Decimal
    lot_id: int | None = None


def allocate(payable: Decimal, sources: Sequence[Source]) -> tuple[Leg, ...]:
    """Split `payable` (>= 0, quantised) over `sources` in their order; what none covers is a debt leg.

    The legs sum to `payable`, none is zero, none is above its source's limit. Raises ValueError below zero.
    """
    if payable < 0:
        raise ValueError("nothing below zero is payable")
    legs: list[Leg] = []
    left = payable
    for source in (*sources, Source(DEBT)):
        part = left if source.limit is None else min(left, source.limit)
        if part > 0:
            legs.append(Leg(len(legs) + 1, source.source, part, source.lot_id))
            left -= part
    return tuple(legs)


def spending_order(lots: Iterable[Lot]) -> list[Lot]:
    """Promo before cash, earliest expiry first, then oldest."""
    return sorted(lots, key=lambda lot: (lot.kind != PROMO, lot.expires_at or _NEVER, lot.id))


def wallet_sources(lots: Iterable[Lot], available: Decimal, at: datetime) -> list[Source]:
    """The lots of a wallet as sources in spending order, together at most `available`; expired at `at` are out."""
    sources: list[Source] = []
    left = max(available, Decimal(0))
    for lot in spending_order(lots):
        if lot.expires_at is not None and lot.expires_at <= at:
            continue
        part = min(lot.remaining, left)
        if part > 0:
            sources.append(Source(WALLET_PROMO if lot.kind == PROMO else WALLET_CASH, part, lot.id))
            left -= part
    return sources


def sources_of(
    billing_model: str, wallet_use: str, wallet: Sequence[Source], held_on_card: Decimal | None = None
) -> tuple[Source, ...]:
    """What a session under a contract type may draw on, in order. `wallet` are the wallet's own sources.

    A wallet driver's shortfall is debt, never a card. A card pays as far as it was held, what goes beyond is debt;
    where nothing is held (any more) it is charged like a card on file. Without an account there is only the card.
    """
    if billing_model == "open_access":
        return (Source(OPEN_ACCESS),)
    drawn = tuple(wallet) if wallet_use in ("draw_first", "only") else ()
    if billing_model == AD_HOC:
        return (Source(CARD, held_on_card),)
    if billing_model in ("postpaid", "preauth"):
        return (*drawn, Source(CARD, held_on_card))
    return drawn
