"""From what is known of an ended session to what is written about it. Pure: the same decision for every database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from billing.domain.metering import Metered, periods_of
from billing.domain.plan import AccountState, PostingPlan, plan_posting
from billing.domain.postings import AccountRef, Posting, credit, debit, receivable, system, vat_account, wallet
from billing.domain.waterfall import (
    AD_HOC,
    CARD,
    OPEN_ACCESS,
    WALLET_SOURCES,
    Leg,
    Lot,
    Source,
    allocate,
    sources_of,
    wallet_sources,
)
from common.errors import BadInput
from common.money import allocate as split
from tariffs.domain.compiled import compile_document
from tariffs.domain.frozen import FrozenInputs
from tariffs.domain.rating import rate
from tariffs.domain.result import CostLine, LineKind, Payable, RatedSession, VatUnknown, decimal_of
from tariffs.domain.spec import Period

# Where each kind of cost line is earned. None is a maximum price: it is not earned but lowers all the others. A minimum
# price counts as a fee. The cap on idle time is negative and counts with its sign.
EARNED_IN: Mapping[LineKind, str | None] = {
    LineKind.ENERGY: "revenue_energy",
    LineKind.TIME: "revenue_time",
    LineKind.PARKING_TIME: "revenue_time",
    LineKind.RESERVATION_TIME: "revenue_time",
    LineKind.FLAT: "revenue_fees",
    LineKind.RESERVATION_FLAT: "revenue_fees",
    LineKind.IDLE_CAP: "revenue_time",
    LineKind.CONNECTION_FEE: "revenue_fees",
    LineKind.SERVICE_FEE: "revenue_fees",
    LineKind.MIN_PRICE: "revenue_fees",
    LineKind.MAX_PRICE: None,
}
# What staying costs.
TIME_KINDS = frozenset({LineKind.TIME, LineKind.PARKING_TIME, LineKind.RESERVATION_TIME, LineKind.IDLE_CAP})
REVENUE_CODES = ("revenue_energy", "revenue_time", "revenue_fees")
# The operator's own accounts a settlement can post to.
SYSTEM_CODES = (*REVENUE_CODES, "vat_payable", "open_access_expense", "receivable_ad_hoc")


@dataclass(frozen=True, slots=True)
class HeldAmount:
    """An active wallet hold of the session."""

    id: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class FreeRules:
    """A session shorter than `below_seconds` or with less than `below_wh` is free: somebody tried the plug.

    One with so little energy that stayed longer than `stay_seconds` is free only where its tariff does not price the
    time it stayed: a place that costs something was taken.
    """

    below_seconds: int
    below_wh: Decimal
    stay_seconds: int


@dataclass(frozen=True, slots=True)
class Facts:
    """An ended session as it was read under its lock, with everything its settlement depends on.

    `billing_model` is the contract type's, `AD_HOC` for somebody without an account, `OPEN_ACCESS` where the place is
    open to everybody.
    `accounts` are ledger accounts by key: the driver's own, locked, and the system accounts there are. `metered` is
    None when the station never told the start or the end of it, `held_on_card` when nothing is held on a card.
    """

    session_id: int
    public_id: str
    review_reason: str
    driver_id: int | None
    billing_model: str
    wallet_use: str
    currency: str
    vat_percent: Decimal | None
    tariff_document: str
    frozen: FrozenInputs
    country: str
    time_zone: str
    metered: Metered | None
    accounts: Mapping[str, AccountState]
    lots: Sequence[Lot]
    holds: Sequence[HeldAmount]
    held_on_card: Decimal | None = None

    @property
    def wallet(self) -> AccountState | None:
        return self.accounts.get(wallet(self.driver_id or 0, self.currency).key)


@dataclass(frozen=True, slots=True)
class Free:
    """Free by a named rule; no document is made."""

    rule: str


@dataclass(frozen=True, slots=True)
class Review:
    """Not billed and not lost: an operator decides. `note` is what was seen."""

    reason: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a session cost and who pays it. `postings` are empty when nothing is payable."""

    facts: Facts
    metered: Metered
    rated: RatedSession
    payable: Payable
    periods: tuple[Period, ...]
    legs: tuple[Leg, ...]
    postings: tuple[Posting, ...]

    @property
    def energy_wh(self) -> Decimal:
        return sum((period.energy_wh for period in self.periods), Decimal(0))

    @property
    def duration(self) -> timedelta:
        return self.metered.ended_at - self.metered.started_at

    @property
    def drawn(self) -> Decimal:
        """What the wallet pays."""
        return sum((leg.amount for leg in self.legs if leg.source in WALLET_SOURCES), Decimal(0))

    @property
    def needs_card(self) -> bool:
        """True when a card pays some of it."""
        return any(leg.source == CARD for leg in self.legs)

    @property
    def released(self) -> dict[int, Decimal]:
        """What the session's holds reserved, by wallet account, when it draws the wallet: all of it is free again."""
        held = sum((hold.amount for hold in self.facts.holds), Decimal(0))
        return {self.facts.wallet.id: held} if held and self.drawn and self.facts.wallet else {}

    def captures(self) -> list[tuple[HeldAmount, Decimal]]:
        """Each hold and what of it the wallet's legs took, first hold first; none when the wallet is not drawn."""
        left = self.drawn
        taken: list[tuple[HeldAmount, Decimal]] = []
        if not left:
            return taken
        for hold in self.facts.holds:
            part = min(hold.amount, left)
            left -= part
            taken.append((hold, part))
        return taken

    @property
    def idempotency_key(self) -> str:
        return f"session:{self.facts.public_id}:settle"

    def missing_accounts(self) -> tuple[AccountRef, ...]:
        """The accounts that still have to be opened before it can be posted."""
        missing = {posting.account: None for posting in self.postings if posting.account.key not in self.facts.accounts}
        return tuple(missing)

    def posting_plan(self, opened: Mapping[str, AccountState]) -> PostingPlan | None:
        """The ledger's part, None when nothing is payable. `opened` are the accounts `missing_accounts` named.

        It happened when the session ended, however late we settle it.
        """
        if not self.postings:
            return None
        return plan_posting(
            idempotency_key=self.idempotency_key,
            event="session_settled",
            occurred_at=self.metered.ended_at,
            currency=self.facts.currency,
            postings=self.postings,
            accounts={**self.facts.accounts, **opened},
            reference=self.facts.public_id,
            released=self.released,
        )


def decide(facts: Facts, rules: FreeRules) -> Free | Review | Bill:
    """Bill it, give it away by a rule, or park it with a reason. Doubts come first: no doubtful session is billed."""
    if facts.review_reason:
        return Review(facts.review_reason)
    metered = facts.metered
    if metered is None:
        return Review("meter_missing")
    used_wh = (metered.meter_stop_wh or metered.meter_start_wh) - metered.meter_start_wh
    if used_wh < 0:
        return Review("meter_stop_invalid")
    stay = metered.ended_at - metered.started_at
    little = _little_energy(used_wh, rules)
    if used_wh and stay < timedelta(seconds=rules.below_seconds):
        return Free("below_least_duration")
    if little and (stay <= timedelta(seconds=rules.stay_seconds) or not facts.tariff_document):
        return Free(little)
    priced = _price(facts, metered) if facts.tariff_document else None
    if little and isinstance(priced, _Priced) and not priced.costs_time:
        return Free(little)
    if facts.driver_id is None and facts.billing_model not in (AD_HOC, OPEN_ACCESS):
        return Review("no_driver")
    if not facts.billing_model:
        return Review("no_contract")
    if priced is None:
        return Review("no_tariff")
    return priced if isinstance(priced, Review) else _bill(facts, metered, priced)


def _little_energy(used_wh: Decimal, rules: FreeRules) -> str:
    if not used_wh:
        return "no_energy"
    return "below_least_energy" if used_wh < rules.below_wh else ""


@dataclass(frozen=True, slots=True)
class _Priced:
    """A session's price before anybody pays it."""

    periods: tuple[Period, ...]
    rated: RatedSession
    payable: Payable

    @property
    def costs_time(self) -> bool:
        """True when the time it took costs something by itself, after any cap."""
        amounts = [line.exact_gross or line.exact_net or 0 for line in self.rated.lines if line.kind in TIME_KINDS]
        return sum(amounts) > 0


def _price(facts: Facts, metered: Metered) -> Review | _Priced:
    tariff = compile_document(facts.tariff_document, facts.time_zone)
    if tariff.spec.currency != facts.currency:
        return Review("tariff_currency_mismatch", tariff.spec.currency)
    try:
        periods = periods_of(tariff, metered)
        rated = rate(tariff, periods, **facts.frozen.for_rating(), default_vat_percent=facts.vat_percent)
        payable = rated.payable()
    except BadInput as error:
        return Review("meter_values_inconsistent", "\n".join(error.details))
    except VatUnknown as error:
        return Review(error.code, error.message)
    if any(total.net < 0 or total.vat < 0 for total in payable.rates):
        return Review("price_below_zero", str(payable.gross))
    return _Priced(periods, rated, payable)


def _bill(facts: Facts, metered: Metered, priced: _Priced) -> Bill:
    rated, payable = priced.rated, priced.payable
    wallet = _wallet_sources(facts, metered)
    sources = sources_of(facts.billing_model, facts.wallet_use, wallet, facts.held_on_card)
    legs = allocate(payable.gross, sources)
    return Bill(
        facts,
        metered,
        rated,
        payable,
        priced.periods,
        legs,
        (*_debits(facts, legs), *earned(facts.country, rated, payable)),
    )


def _wallet_sources(facts: Facts, metered: Metered) -> list[Source]:
    """The wallet as far as this session may draw it: what others have reserved is not its to spend.

    A lot counts that had not expired when the session began: that is what the driver was promised.
    """
    state = facts.wallet
    if state is None:
        return []
    own = sum((hold.amount for hold in facts.holds), Decimal(0))
    return wallet_sources(facts.lots, state.available + own, metered.started_at)


def _debits(facts: Facts, legs: Sequence[Leg]) -> list[Posting]:
    """Each leg's account, one entry per account."""
    totals: dict[AccountRef, Decimal] = {}
    for leg in legs:
        account = _payer(facts, leg.source)
        totals[account] = totals.get(account, Decimal(0)) + leg.amount
    return [debit(account, amount) for account, amount in totals.items()]


def _payer(facts: Facts, source: str) -> AccountRef:
    if source == OPEN_ACCESS:
        return system("open_access_expense", facts.currency)
    if source in WALLET_SOURCES:
        return wallet(facts.driver_id or 0, facts.currency)
    return receivable(facts.driver_id, facts.currency)


def earned(country: str, rated: RatedSession, payable: Payable) -> list[Posting]:
    """Revenue by kind and VAT by country and rate. Each rate's net is split over the kinds exactly."""
    revenue = dict.fromkeys(REVENUE_CODES, Decimal(0))
    vat: dict[AccountRef, Decimal] = {}
    for total in payable.rates:
        shares = _shares([line for line in rated.lines if line.vat_percent == total.vat_percent])
        for code, part in zip(shares, split(total.net, list(shares.values()), payable.currency), strict=True):
            revenue[code] += part
        if total.vat:
            account = vat_account(country, total.vat_percent or Decimal(0), payable.currency)
            vat[account] = vat.get(account, Decimal(0)) + total.vat
    return [
        *(credit(system(code, payable.currency), amount) for code, amount in revenue.items() if amount),
        *(credit(account, amount) for account, amount in vat.items()),
    ]


def _shares(lines: Sequence[CostLine]) -> dict[str, Decimal]:
    """How much of a rate's net each kind of revenue earned, before rounding and before a maximum price.

    A kind whose lines sum below zero earns nothing. The shares are proportions of a net that is posted to the cent, so
    what it fell short lowers the other kinds in proportion.
    """
    shares: dict[str, Decimal] = {}
    for line in lines:
        code = EARNED_IN[line.kind]
        if code is not None and line.exact_net is not None:
            shares[code] = shares.get(code, Decimal(0)) + decimal_of(line.exact_net)
    return {code: max(share, Decimal(0)) for code, share in shares.items()} or {"revenue_fees": Decimal(1)}
