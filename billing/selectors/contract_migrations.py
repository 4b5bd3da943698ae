"""What a contract migration is decided by, read by the database for all its drivers at once, and what it comes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    DecimalField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Round

from accounts.models import Contract, ContractType, Driver
from billing.models import (
    ChargingSession,
    ContractMigration,
    ContractMigrationRow,
    FundingLeg,
    LedgerAccount,
    PaymentMethod,
    WalletLot,
)
from billing.models.ledger import amount_field
from common.money import MONEY_PLACES, quantize_amount

State = ContractMigrationRow.State
Blocked = ContractMigrationRow.Blocked

OPEN_STATUSES = ("requested", "active", "finishing")
UNPAID_STATES = ("due", "attempting", "requires_action", "retrying", "uncollectible")


@dataclass(frozen=True, slots=True)
class Sums:
    """What the drivers that moved had in their wallets in one currency, and the same as the sum of their lots."""

    currency: str
    drivers: int
    before: Decimal
    after: Decimal
    lots_before: Decimal
    lots_after: Decimal

    @property
    def are_equal(self) -> bool:
        return self.before == self.after == self.lots_before == self.lots_after


def contracts_at(at: datetime) -> QuerySet[Contract]:
    """Contracts in force at `at`, of the row's driver."""
    return Contract.objects.filter(driver=OuterRef("driver"), starts_at__lte=at).filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=at)
    )


def wallets() -> QuerySet[LedgerAccount]:
    """The wallet a row is about: its driver's, in the currency of the contract that is left."""
    return LedgerAccount.objects.filter(
        code=LedgerAccount.Code.WALLET, driver=OuterRef("driver"), currency=OuterRef("currency")
    )


def unpaid() -> QuerySet[FundingLeg]:
    return FundingLeg.objects.filter(
        cdr__charging_session__driver=OuterRef("driver"), cdr__currency=OuterRef("currency"), state__in=UNPAID_STATES
    )


def balance() -> Coalesce:
    return _or_zero(wallets().values("posted")[:1])


def lots_sum(**wanted: Any) -> Coalesce:
    lots = WalletLot.objects.filter(
        account__code=LedgerAccount.Code.WALLET,
        account__driver=OuterRef("driver"),
        account__currency=OuterRef("currency"),
        remaining__gt=0,
        **wanted,
    ).order_by()
    return _or_zero(lots.values("account").annotate(total=Round(Sum("remaining"), MONEY_PLACES)).values("total")[:1])


def lot_count() -> Coalesce:
    lots = WalletLot.objects.filter(
        account__code=LedgerAccount.Code.WALLET,
        account__driver=OuterRef("driver"),
        account__currency=OuterRef("currency"),
        remaining__gt=0,
    ).order_by()
    return Coalesce(Subquery(lots.values("account").annotate(count=Count("pk")).values("count")[:1]), 0)


def debt() -> Coalesce:
    legs = unpaid().order_by().values("cdr__charging_session__driver")
    return _or_zero(legs.annotate(total=Round(Sum(F("amount") - F("refunded")), MONEY_PLACES)).values("total")[:1])


def open_sessions() -> Coalesce:
    sessions = ChargingSession.objects.filter(driver=OuterRef("driver"), status__in=OPEN_STATUSES).order_by()
    return Coalesce(Subquery(sessions.values("driver").annotate(count=Count("pk")).values("count")[:1]), 0)


def has_card() -> Exists:
    return Exists(PaymentMethod.objects.filter(driver=OuterRef("driver"), status=PaymentMethod.Status.ACTIVE))


def _or_zero(rows: QuerySet[Any, Any]) -> Coalesce:
    field: DecimalField[Any, Any] = amount_field("")
    return Coalesce(Subquery(rows, output_field=field), Value(Decimal(0), output_field=field))


def obstacles(target: ContractType, at: datetime) -> list[tuple[str, Any]]:
    """Why a row may not move at `at`, most telling first: the reason, and the condition on the row."""
    another_later = Exists(Contract.objects.filter(driver=OuterRef("driver"), starts_at__gt=at))
    has_money = Exists(wallets().exclude(posted=0))
    return [
        (Blocked.CLOSED, Exists(Driver.objects.filter(pk=OuterRef("driver"), status=Driver.Status.CLOSED))),
        (Blocked.NO_CONTRACT, Q(old_contract__isnull=True)),
        (Blocked.CHANGED, ~Exists(contracts_at(at).filter(pk=OuterRef("old_contract")))),
        (Blocked.SAME_TYPE, _old_contract(contract_type=target)),
        (Blocked.PLANNED, _old_contract(ends_at__isnull=False) | another_later),
        (Blocked.OTHER_CURRENCY, ~Q(currency=target.currency) & (has_money | Exists(unpaid()))),
    ]


def first_obstacle(target: ContractType, at: datetime) -> Case:
    """The reason why a row may not move at `at`; empty for one that may."""
    reasons = [When(condition, then=Value(str(reason))) for reason, condition in obstacles(target, at)]
    return Case(*reasons, default=Value(""), output_field=CharField())


def _old_contract(**wanted: Any) -> Exists:
    return Exists(Contract.objects.filter(pk=OuterRef("old_contract"), **wanted))


def used_since(at: datetime) -> list[tuple[str, Any]]:
    """Why a row that moved may not move back at `at`."""
    charged = ChargingSession.objects.filter(driver=OuterRef("driver"), contract=OuterRef("new_contract"))
    ended = Contract.objects.filter(pk=OuterRef("new_contract"), ends_at__isnull=False)
    another_later = Exists(Contract.objects.filter(driver=OuterRef("driver"), starts_at__gt=at))
    Kept = ContractMigrationRow.Kept
    return [
        (Kept.USED, Exists(charged)),
        (Kept.CHANGED, Exists(ended) | another_later),
    ]


def counts_of(migration: ContractMigration) -> dict[str, int]:
    """How many drivers are in each state; every state is named."""
    rows = migration.rows.order_by().values("state").annotate(count=Count("pk"))
    found = {str(row["state"]): int(row["count"]) for row in rows}
    return {state: found.get(state, 0) for state in State.values}


def sums_of(migration: ContractMigration) -> list[Sums]:
    """What moved drivers had before and after, per currency."""
    rows = (
        migration.rows.filter(moved_at__isnull=False)
        .order_by("currency")
        .values("currency")
        .annotate(
            drivers=Count("pk"),
            before=Sum("balance_before"),
            after=Sum("balance_after"),
            first=Sum("lots_before"),
            last=Sum("lots_after"),
        )
    )
    return [
        Sums(
            currency=row["currency"],
            drivers=row["drivers"],
            before=quantize_amount(row["before"], row["currency"]),
            after=quantize_amount(row["after"], row["currency"]),
            lots_before=quantize_amount(row["first"], row["currency"]),
            lots_after=quantize_amount(row["last"], row["currency"]),
        )
        for row in rows
    ]


def lots_of(rows: Iterable[ContractMigrationRow]) -> dict[int, list[WalletLot]]:
    """What is left in the wallets of some rows' drivers, by driver; one query."""
    currencies = {row.driver_id: row.currency for row in rows}
    lots = (
        WalletLot.objects.filter(
            account__driver__in=currencies, account__code=LedgerAccount.Code.WALLET, remaining__gt=0
        )
        .select_related("account")
        .order_by("pk")
    )
    found: dict[int, list[WalletLot]] = {}
    for lot in lots:
        driver_id = lot.account.driver_id
        if driver_id is not None and currencies[driver_id] == lot.account.currency:
            found.setdefault(driver_id, []).append(lot)
    return found
