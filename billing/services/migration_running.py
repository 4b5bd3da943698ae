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
from billing.services.contract_migrations import finish_migration
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

    A few hundred drivers move in one transaction; one of them who cannot move stops no other. Stops after the chunk in
    which `until` passed; the next run goes on. Several at once take turns.
    """
    return _in_chunks(migration_id, move_drivers, until)


def run_undo(*, migration_id: int, until: datetime | None = None) -> ContractMigration:
    """Move back whoever has not used the new contract. A repeat goes on, as with `run_migration`."""
    return _in_chunks(migration_id, move_back, until)


def _in_chunks(migration_id: int, move: Callable[..., None], until: datetime | None) -> ContractMigration:
    while True:
        chosen: list[int] = []
        try:
            move(migration_id=migration_id, driver_ids=chosen)
        except (BalanceMoved, IntegrityError):
            _one_by_one(migration_id, chosen, move)
        if not chosen:
            return finish_migration(migration_id=migration_id)
        if until is not None and clock.now() >= until:
            return ContractMigration.objects.get(pk=migration_id)


def _one_by_one(migration_id: int, driver_ids: Collection[int], move: Callable[..., None]) -> None:
    for driver_id in driver_ids:
        try:
            move(migration_id=migration_id, driver_ids=[driver_id])
        except (BalanceMoved, IntegrityError):
            log.exception("contract migration %s: driver %s was refused", migration_id, driver_id)
            _refuse(ContractMigrationRow.objects.filter(migration=migration_id, driver=driver_id))


def _refuse(rows: QuerySet[ContractMigrationRow]) -> None:
    rows.filter(state=RowState.PENDING).update(
        state=RowState.BLOCKED, blocked_reason=ContractMigrationRow.Blocked.FAILED
    )
    rows.filter(state=RowState.MIGRATED).update(kept_reason=ContractMigrationRow.Kept.CHANGED)


@transaction.atomic
def move_drivers(*, migration_id: int, driver_ids: list[int]) -> None:
    """Move some drivers whose rows are pending, all at one moment: each old contract ends and the new one begins then.

    An empty `driver_ids` is filled with the next ones. Wallets are locked and only read: each row keeps balance and
    lots around the change.
    Locks: the ContractMigration, the Drivers, their Contracts, their wallets' LedgerAccounts.
    Raises BalanceMoved when a wallet is not what it was, and then nothing has changed.
    """
    migration = _lock_and_choose(migration_id, State.RUNNING, RowState.PENDING, driver_ids)
    drivers = _lock_drivers(driver_ids)
    wallets = lock_wallets(driver_ids)
    # After the locks: a start that came first began before this moment, one that waits finds the new contract.
    now = clock.now()
    leaving = _block(migration, driver_ids, now)
    moving = migration.rows.filter(driver__in=leaving)
    moving.update(balance_before=facts.balance(), lots_before=facts.lots_sum(), wallet_entries=_entry_count())
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
    _assert_kept(moving, driver_ids, wallets)
    audit.record_many(
        actor_id=migration.decided_by_id,
        action="contract_changed",
        subjects=[driver for driver in drivers if driver.pk in leaving],
        reason=migration.reason,
        data={"to": migration.target.code, "contract_migration": migration.pk},
    )


def _block(migration: ContractMigration, driver_ids: Collection[int], at: datetime) -> dict[int, int]:
    """Block whoever may not move at `at` after all; the contracts the others leave, by driver."""
    rows = migration.rows.filter(driver__in=driver_ids).annotate(obstacle=facts.first_obstacle(migration.target, at))
    leaving: dict[int, int] = {}
    blocked: dict[str, list[int]] = {}
    for driver_id, contract_id, obstacle in rows.values_list("driver_id", "old_contract_id", "obstacle"):
        if obstacle:
            blocked.setdefault(obstacle, []).append(driver_id)
        else:
            leaving[driver_id] = contract_id
    for obstacle, who in blocked.items():
        migration.rows.filter(driver__in=who).update(state=RowState.BLOCKED, blocked_reason=obstacle)
    return leaving


@transaction.atomic
def move_back(*, migration_id: int, driver_ids: list[int]) -> None:
    """Give some drivers that moved a contract of their former type again, unless they charged under the new one.

    An empty `driver_ids` is filled with the next ones. Locks: the ContractMigration, the Drivers, their Contracts.
    """
    migration = _lock_and_choose(migration_id, State.UNDOING, RowState.MIGRATED, driver_ids)
    drivers = _lock_drivers(driver_ids)
    now = clock.now()
    rows = migration.rows.filter(driver__in=driver_ids)
    for reason, condition in facts.used_since(now):
        rows.filter(condition, kept_reason="").update(kept_reason=reason)
    returning = list(
        rows.filter(kept_reason="").values_list("driver_id", "new_contract_id", "old_contract__contract_type_id")
    )
    Contract.objects.filter(pk__in=[contract_id for _, contract_id, _ in returning]).update(ends_at=now)
    Contract.objects.bulk_create(
        Contract(driver_id=driver_id, contract_type_id=type_id, starts_at=now) for driver_id, _, type_id in returning
    )
    rows.filter(kept_reason="").update(restored_contract=_contract_since(now), state=RowState.UNDONE)
    returned = {driver_id for driver_id, _, _ in returning}
    audit.record_many(
        actor_id=migration.decided_by_id,
        action="contract_changed",
        subjects=[driver for driver in drivers if driver.pk in returned],
        reason=migration.reason,
        data={"undone_contract_migration": migration.pk},
    )


def _lock_and_choose(migration_id: int, state: str, row_state: str, driver_ids: list[int]) -> ContractMigration:
    """Lock the batch; leave in `driver_ids` whom it has still to move, the next ones if none were named."""
    migration = lock_row(ContractMigration.objects.filter(pk=migration_id).select_related("target"))
    # Chosen under the lock: whom another worker has moved is not moved again.
    left = migration.rows.filter(state=row_state, kept_reason="").order_by("driver_id")
    if driver_ids:
        left = left.filter(driver__in=driver_ids)
    driver_ids[:] = [] if migration.state != state else left.values_list("driver_id", flat=True)[:CHUNK]
    return migration


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
    moved: QuerySet[ContractMigrationRow], driver_ids: Collection[int], wallets: dict[int, Decimal]
) -> None:
    """Every wallet of these drivers is what it was, and each row's proof says so."""
    kept = {"balance_after": F("balance_before"), "lots_after": F("lots_before"), "lots_before": F("balance_before")}
    if dict(_wallets(driver_ids).values_list("pk", "posted")) != wallets or moved.exclude(**kept).exists():
        raise BalanceMoved
