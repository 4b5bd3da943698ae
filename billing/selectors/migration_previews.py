"""What a person reads before and after a contract migration: who moves with what, and what undoing it would do."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Q, Sum

from accounts.models import ContractType
from billing.models import ContractMigration, ContractMigrationRow
from billing.selectors.contract_migrations import used_since
from common.money import quantize_amount

RowState = ContractMigrationRow.State
# Whoever moves, has moved, or has moved back.
MOVING = (RowState.PENDING, RowState.MIGRATED, RowState.UNDONE)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the drivers that move had in one currency when the preview looked; `promo` is part of `balance`."""

    currency: str
    drivers: int
    balance: Decimal
    promo: Decimal
    lots: int
    with_balance: int
    debt: Decimal
    open_sessions: int
    without_card: int


def holdings_of(migration: ContractMigration) -> list[Holdings]:
    """Of whoever moves, by currency."""
    rows = (
        migration.rows.filter(state__in=MOVING)
        .order_by("currency")
        .values("currency")
        .annotate(
            drivers=Count("pk"),
            total_balance=Sum("balance"),
            total_promo=Sum("promo"),
            lots=Sum("lot_count"),
            with_balance=Count("pk", filter=Q(balance__gt=0)),
            total_debt=Sum("debt"),
            sessions=Sum("open_sessions"),
            without_card=Count("pk", filter=Q(has_card=False)),
        )
    )
    return [
        Holdings(
            currency=row["currency"],
            drivers=row["drivers"],
            balance=quantize_amount(row["total_balance"], row["currency"]),
            promo=quantize_amount(row["total_promo"], row["currency"]),
            lots=row["lots"],
            with_balance=row["with_balance"],
            debt=quantize_amount(row["total_debt"], row["currency"]),
            open_sessions=row["sessions"],
            without_card=row["without_card"],
        )
        for row in rows
    ]


def types_left(migration: ContractMigration) -> list[tuple[ContractType, int]]:
    """The contract types that whoever moves leaves, with how many drivers leave each; most first."""
    counts = dict(
        migration.rows.filter(state__in=MOVING)
        .order_by()
        .values_list("old_contract__contract_type")
        .annotate(drivers=Count("pk"))
    )
    types = ContractType.objects.filter(pk__in=[type_id for type_id in counts if type_id]).select_related(
        "customer_group"
    )
    return sorted(((kind, counts[kind.pk]) for kind in types), key=lambda left: (-left[1], left[0].name))


def reasons_to_stay(migration: ContractMigration, at: datetime) -> dict[str, int]:
    """How many would not move back at `at` if it were undone, by reason; the rest of who moved would."""
    found: dict[str, int] = {}
    rows = migration.rows.filter(state=RowState.MIGRATED, kept_reason="")
    for reason, condition in used_since(at):
        found[reason] = rows.filter(condition).count()
        rows = rows.exclude(condition)
    return {reason: count for reason, count in found.items() if count}
