"""A confirmed contract migration moves its drivers, a few hundred at a time, as often as it takes."""

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery

from accounts.models import Contract, Driver
from accounts.services import audit
from billing.models import ContractMigration, ContractMigrationRow, LedgerAccount
from billing.selectors import contract_migrations as facts
from billing.services.contract_migrations import block, finish_migration
from common import clock
from common.errors import VoltledgerError
from common.locking import lock_row, lock_rows

log = logging.getLogger(__name__)

State = ContractMigration.State
RowState = ContractMigrationRow.State

# Drivers per transaction: their rows are locked for as long as one takes, well under a second.
CHUNK = 250


class BalanceMoved(VoltledgerError):
    code = "balance_moved"
    sentence = "A wallet changed while its driver moved. Nothing was changed."


def run_migration(*, migration_id: int, until: datetime | None = None) -> ContractMigration:
    """Move whoever is pending. A repeat goes on where a killed worker stopped and does nothing twice.

    Stops after the chunk in which `until` passed; the next run goes on.
    """
    return _in_chunks(migration_id, RowState.PENDING, State.RUNNING, move_drivers, until)


def run_undo(*, migration_id: int, until: datetime | None = None) -> ContractMigration:
    """Move back whoever has not used the new contract. A repeat goes on, as with `run_migration`."""
    return _in_chunks(migration_id, RowState.MIGRATED, State.UNDOING, move_back, until)


def _in_chunks(
    migration_id: int,
    row_state: str,
    state: str,
    move: Callable[..., None],
    until: datetime | None,
) -> ContractMigration:
    while ContractMigration.objects.filter(pk=migration_id, state=state).exists():
        left = ContractMigrationRow.objects.filter(migration_id=migration_id, state=row_state, kept_reason="")
        row_ids = list(left.order_by("driver_id").values_list("pk", flat=True)[:CHUNK])
        if not row_ids:
            return finish_migration(migration_id=migration_id)
        try:
            move(migration_id=migration_id, row_ids=row_ids)
        except (BalanceMoved, IntegrityError):
            _one_by_one(migration_id, row_ids, move)
        if until is not None and clock.now() >= until:
            break
    return ContractMigration.objects.get(pk=migration_id)


def _one_by_one(migration_id: int, row_ids: Collection[int], move: Callable[..., None]) -> None:
    """One driver who cannot move stops no other."""
    for row_id in row_ids:
        try:
            move(migration_id=migration_id, row_ids=[row_id])
        except (BalanceMoved, IntegrityError):
            log.exception("contract migration %s: row %s was refused", migration_id, row_id)
            _refuse(row_id)


def _refuse(row_id: int) -> None:
    rows = ContractMigrationRow.objects.filter(pk=row_id)
    rows.filter(state=RowState.PENDING).update(
        state=RowState.BLOCKED, blocked_reason=ContractMigrationRow.Blocked.FAILED
    )
    rows.filter(state=RowState.MIGRATED).update(kept_reason=ContractMigrationRow.Kept.CHANGED)


@transaction.atomic
def move_drivers(*, migration_id: int, row_ids: Collection[int]) -> None:
    """Move the drivers of some pending rows, all at one moment: each old contract ends and the new one begins then.

    Wallets are locked and only read: each row keeps balance and lots around the change. Another run's rows are skipped.
    Locks: the ContractMigration, the Drivers, their Contracts, their wallets' LedgerAccounts.
    Raises BalanceMoved when a wallet is not what it was, and then nothing has changed.
    """
    migration = lock_row(ContractMigration.objects.filter(pk=migration_id).select_related("target"))
    if migration.state != State.RUNNING:
        return
    rows = migration.rows.filter(pk__in=row_ids)
    driver_ids = list(rows.filter(state=RowState.PENDING).values_list("driver_id", flat=True))
    drivers = _lock_drivers(driver_ids)
    wallets = lock_wallets(driver_ids)
    # After the locks: a start that came first began before this moment, one that waits finds the new contract.
    now = clock.now()
    block(rows, migration.target, now)
    moving = rows.filter(state=RowState.PENDING)
    moving.update(balance_before=facts.balance(), lots_before=facts.lots_sum(), wallet_entries=_entry_count())
    leaving = dict(moving.values_list("driver_id", "old_contract_id"))
    Contract.objects.filter(pk__in=leaving.values()).update(ends_at=now)
    Contract.objects.bulk_create(
        Contract(driver_id=driver_id, contract_type=migration.target, starts_at=now) for driver_id in leaving
    )
    moving.update(
        new_contract=_contract_since(now),
        moved_at=now,
        balance_after=facts.balance(),
        lots_after=facts.lots_sum(),
        state=RowState.MIGRATED,
    )
    _assert_kept(rows, driver_ids, wallets)
    audit.record_many(
        actor_id=migration.decided_by_id,
        action="contract_changed",
        subjects=[driver for driver in drivers if driver.pk in leaving],
        reason=migration.reason,
        data={"to": migration.target.code, "contract_migration": migration.pk},
    )


@transaction.atomic
def move_back(*, migration_id: int, row_ids: Collection[int]) -> None:
    """Give drivers that moved a contract of their former type again, unless they charged under the new one.

    Locks: the ContractMigration, the Drivers, their Contracts.
    """
    migration = lock_row(ContractMigration.objects.filter(pk=migration_id))
    if migration.state != State.UNDOING:
        return
    rows = migration.rows.filter(pk__in=row_ids, kept_reason="")
    driver_ids = list(rows.filter(state=RowState.MIGRATED).values_list("driver_id", flat=True))
    drivers = _lock_drivers(driver_ids)
    now = clock.now()
    for reason, condition in facts.used_since(now):
        rows.filter(condition, state=RowState.MIGRATED).update(kept_reason=reason)
    returning = list(
        rows.filter(state=RowState.MIGRATED).values_list(
            "driver_id", "new_contract_id", "old_contract__contract_type_id"
        )
    )
    Contract.objects.filter(pk__in=[contract_id for _, contract_id, _ in returning]).update(ends_at=now)
    Contract.objects.bulk_create(
        Contract(driver_id=driver_id, contract_type_id=type_id, starts_at=now) for driver_id, _, type_id in returning
    )
    rows.filter(state=RowState.MIGRATED).update(restored_contract=_contract_since(now), state=RowState.UNDONE)
    returned = {driver_id for driver_id, _, _ in returning}
    audit.record_many(
        actor_id=migration.decided_by_id,
        action="contract_changed",
        subjects=[driver for driver in drivers if driver.pk in returned],
        reason=migration.reason,
        data={"undone_contract_migration": migration.pk},
    )


def _lock_drivers(driver_ids: Collection[int]) -> list[Driver]:
    """Lock drivers and their contracts that have no end."""
    drivers = lock_rows(Driver.objects.filter(pk__in=driver_ids).only("pk"), is_shareable=True)
    open_contracts = Contract.objects.filter(driver__in=driver_ids, ends_at__isnull=True)
    lock_rows(open_contracts.only("pk"), is_shareable=True)
    return drivers


def lock_wallets(driver_ids: Collection[int]) -> dict[int, Decimal]:
    """Lock the drivers' wallets in whatever currency, and what is in them. Locks: LedgerAccounts."""
    wallets = lock_rows(_wallets(driver_ids).only("pk", "posted"), is_shareable=True)
    return {wallet.pk: wallet.posted for wallet in wallets}


def _wallets(driver_ids: Collection[int]) -> QuerySet[LedgerAccount]:
    return LedgerAccount.objects.filter(code=LedgerAccount.Code.WALLET, driver__in=driver_ids)


def _entry_count() -> Subquery:
    return Subquery(facts.wallets().values("entry_count")[:1])


def _contract_since(moment: datetime) -> Subquery:
    return Subquery(Contract.objects.filter(driver=OuterRef("driver"), starts_at=moment).values("pk")[:1])


def _assert_kept(
    rows: QuerySet[ContractMigrationRow], driver_ids: Collection[int], wallets: dict[int, Decimal]
) -> None:
    """Every wallet of these drivers is what it was, and each row's proof says so."""
    kept = {"balance_after": F("balance_before"), "lots_after": F("lots_before"), "lots_before": F("balance_before")}
    if dict(_wallets(driver_ids).values_list("pk", "posted")) != wallets:
        raise BalanceMoved
    if rows.filter(state=RowState.MIGRATED).exclude(**kept).exists():
        raise BalanceMoved
