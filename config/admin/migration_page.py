"""What the page of a contract migration shows of its drivers: a few at a time, searched, filtered, with their lots."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from billing.models import ContractMigration, ContractMigrationRow, WalletLot
from billing.selectors.contract_migrations import counts_of, lots_of

State = ContractMigration.State
RowState = ContractMigrationRow.State

PER_PAGE = 50
AT_WORK = (State.DRAFT, State.RUNNING, State.UNDOING)

# What can be looked at alone, in the order of the tabs.
TABS = [
    (RowState.PENDING, _("Will move")),
    (RowState.MIGRATED, _("Moved")),
    (RowState.BLOCKED, _("Cannot move")),
    (RowState.EXCLUDED, _("Left out")),
    (RowState.UNDONE, _("Moved back")),
]


@dataclass(frozen=True, slots=True)
class DriverRow:
    row: ContractMigrationRow
    lots: list[WalletLot]


def progress(migration: ContractMigration) -> dict[str, Any]:
    """How far a migration is, in drivers."""
    counts = counts_of(migration)
    back, moved, left = counts[RowState.UNDONE], counts[RowState.MIGRATED], counts[RowState.PENDING]
    is_undoing = migration.state in (State.UNDOING, State.UNDONE)
    return {
        "counts": counts,
        "moving": left + moved + back,
        "done": back if is_undoing else moved + back,
        "total": moved + back if is_undoing else left + moved + back,
    }


def driver_rows(migration: ContractMigration, asked: QueryDict) -> dict[str, Any]:
    """One page of the drivers that were asked for."""
    counts = counts_of(migration)
    rows = migration.rows.select_related("driver", "old_contract__contract_type", "new_contract__contract_type")
    shown = asked.get("show", "")
    if shown in RowState.values:
        rows = rows.filter(state=shown)
    query = asked.get("q", "").strip()
    if query:
        rows = rows.filter(Q(driver__name__icontains=query) | Q(driver__email__icontains=query))
    page = Paginator(rows.order_by("driver__name", "driver_id"), PER_PAGE).get_page(asked.get("page"))
    lots = lots_of(page.object_list)
    return {
        "page": page,
        "rows": [DriverRow(row, lots.get(row.driver_id, [])) for row in page.object_list],
        "shown": shown,
        "query": query,
        "tabs": [(state, words, counts[state]) for state, words in TABS if counts[state]],
        "all_drivers": sum(counts.values()),
    }
