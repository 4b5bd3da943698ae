"""Drivers move to another contract type: drafted, previewed, then confirmed, cancelled or undone by a person.

billing.services.migration_running moves them.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Q, Subquery
from django_q.tasks import async_task

from accounts.models import Contract, Driver
from accounts.services import audit
from billing.errors import NobodyToMigrate, ReasonMissing, SameContractType, UndoTooLate
from billing.models import ContractMigration, ContractMigrationRow
from billing.selectors import contract_migrations as facts
from common import clock
from common.locking import lock_row
from common.states import check_step

State = ContractMigration.State
RowState = ContractMigrationRow.State


@transaction.atomic
def draft_migration(
    *,
    target_id: int,
    source_id: int | None = None,
    driver_ids: Collection[int] = (),
    scheduled_at: datetime | None = None,
    author_id: int | None = None,
    public_id: UUID | None = None,
) -> ContractMigration:
    """Say who should move: everybody on the type `source_id`, or the drivers named. Queues the preview.

    Nothing changes for anybody until it is confirmed; who joins the type after the preview does not move.
    `public_id` is made with the form: sent twice it drafts once. Raises NobodyToMigrate, SameContractType.
    """
    stored = ContractMigration.objects.filter(public_id=public_id).first() if public_id else None
    if stored is not None:
        return stored
    if source_id == target_id:
        raise SameContractType
    if source_id is None and not driver_ids:
        raise NobodyToMigrate
    migration = ContractMigration.objects.create(
        public_id=public_id or uuid4(),
        source_id=source_id,
        target_id=target_id,
        scheduled_at=scheduled_at,
        author_id=author_id,
    )
    if source_id is None:
        _take_in(migration, Driver.objects.filter(pk__in=driver_ids).values_list("pk", flat=True))
    async_task("billing.migration_tasks.preview_migration", migration.pk)
    return migration


def _take_in(migration: ContractMigration, driver_ids: Iterable[int]) -> None:
    ContractMigrationRow.objects.bulk_create(
        (ContractMigrationRow(migration=migration, driver_id=driver_id) for driver_id in driver_ids), batch_size=2000
    )


@transaction.atomic
def preview_migration(*, migration_id: int) -> ContractMigration:
    """Write down, for every driver of a draft, what they have and what stops them. A repeat is a no-op.

    Locks: the ContractMigration.
    """
    migration = lock_row(ContractMigration.objects.filter(pk=migration_id).select_related("target"))
    if migration.state != State.DRAFT:
        return migration
    now = clock.now()
    if migration.source_id is not None:
        in_force = Contract.objects.filter(contract_type_id=migration.source_id, starts_at__lte=now).filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now)
        )
        _take_in(migration, in_force.order_by("driver_id").values_list("driver_id", flat=True))
    rows = migration.rows.all()
    rows.update(
        old_contract=Subquery(facts.contracts_at(now).values("pk")[:1]),
        has_card=facts.has_card(),
        open_sessions=facts.open_sessions(),
    )
    currency = Contract.objects.filter(pk=OuterRef("old_contract")).values("contract_type__currency")[:1]
    rows.filter(old_contract__isnull=False).update(currency=Subquery(currency))
    rows.update(
        balance=facts.balance(), promo=facts.lots_sum(kind="promo"), lot_count=facts.lot_count(), debt=facts.debt()
    )
    for reason, condition in facts.obstacles(migration.target, now):
        rows.filter(condition, state=RowState.PENDING).update(state=RowState.BLOCKED, blocked_reason=reason)
    migration.state = State.PREVIEWED
    migration.save(update_fields=["state"])
    return migration


@transaction.atomic
def exclude_rows(*, migration_id: int, row_ids: Collection[int], is_excluded: bool = True) -> int:
    """Leave some drivers out of a migration that has not begun, or take them back in; how many that changed.

    Locks: the ContractMigration. Raises InvalidTransition once it has begun.
    """
    migration = lock_row(ContractMigration.objects.filter(pk=migration_id))
    if migration.state != State.SCHEDULED:
        check_step(ContractMigration.TRANSITIONS, migration.state, State.PREVIEWED)
    old, new = (RowState.PENDING, RowState.EXCLUDED) if is_excluded else (RowState.EXCLUDED, RowState.PENDING)
    return migration.rows.filter(pk__in=row_ids, state=old).update(state=new)


@transaction.atomic
def confirm_migration(*, migration_id: int, actor_id: int | None, reason: str) -> ContractMigration:
    """Let a previewed migration happen: now, or at its moment. A repeat is a no-op.

    Locks: the ContractMigration. Raises ReasonMissing, InvalidTransition, NobodyToMigrate.
    """
    migration = _locked(migration_id, reason)
    now = clock.now()
    is_later = migration.scheduled_at is not None and migration.scheduled_at > now
    step = State.SCHEDULED if is_later else State.RUNNING
    if not check_step(ContractMigration.TRANSITIONS, migration.state, step):
        return migration
    if not migration.rows.filter(state=RowState.PENDING).exists():
        raise NobodyToMigrate
    migration.confirmed_at, migration.reason = now, reason[:200]
    _decide(migration, step, actor_id, reason, "contract_migration_confirmed")
    if step == State.RUNNING:
        async_task("billing.migration_tasks.run_migration", migration.pk)
    return migration


@transaction.atomic
def cancel_migration(*, migration_id: int, actor_id: int | None, reason: str) -> ContractMigration:
    """Give up a migration that has not begun. A repeat is a no-op.

    Locks: the ContractMigration. Raises ReasonMissing, InvalidTransition once it has begun.
    """
    migration = _locked(migration_id, reason)
    if check_step(ContractMigration.TRANSITIONS, migration.state, State.CANCELLED):
        _decide(migration, State.CANCELLED, actor_id, reason, "contract_migration_cancelled")
    return migration


@transaction.atomic
def undo_migration(*, migration_id: int, actor_id: int | None, reason: str) -> ContractMigration:
    """Move everybody back who has not used the new contract. A repeat is a no-op.

    Locks: the ContractMigration. Raises ReasonMissing, InvalidTransition, UndoTooLate.
    """
    migration = _locked(migration_id, reason)
    if not check_step(ContractMigration.TRANSITIONS, migration.state, State.UNDOING):
        return migration
    if migration.undo_until is None or migration.undo_until < clock.now():
        raise UndoTooLate
    _decide(migration, State.UNDOING, actor_id, reason, "contract_migration_undone")
    async_task("billing.migration_tasks.undo_migration", migration.pk)
    return migration


@transaction.atomic
def start_due(*, migration_id: int, now: datetime) -> bool:
    """Set a scheduled migration going whose moment has come. Locks: the ContractMigration."""
    migration = lock_row(ContractMigration.objects.filter(pk=migration_id))
    if migration.state != State.SCHEDULED or migration.scheduled_at is None or migration.scheduled_at > now:
        return False
    migration.state = State.RUNNING
    migration.save(update_fields=["state"])
    return True


@transaction.atomic
def finish_migration(*, migration_id: int) -> ContractMigration:
    """Close a batch of which nobody is left to move or move back, and store what it proves.

    Locks: the ContractMigration.
    """
    migration = lock_row(ContractMigration.objects.filter(pk=migration_id))
    if migration.state == State.RUNNING and not migration.rows.filter(state=RowState.PENDING).exists():
        migration.state = State.DONE
        migration.finished_at = clock.now()
        migration.undo_until = migration.finished_at + timedelta(days=settings.CONTRACT_MIGRATION_UNDO_DAYS)
        migration.sums = {sums.currency: _stored(sums) for sums in facts.sums_of(migration)}
        migration.save(update_fields=["state", "finished_at", "undo_until", "sums"])
    if migration.state == State.UNDOING and not migration.rows.filter(state=RowState.MIGRATED, kept_reason="").exists():
        migration.state = State.UNDONE
        migration.save(update_fields=["state"])
    return migration


def _stored(sums: facts.Sums) -> dict[str, Any]:
    return {
        "drivers": sums.drivers,
        "before": str(sums.before),
        "after": str(sums.after),
        "lots_before": str(sums.lots_before),
        "lots_after": str(sums.lots_after),
    }


def _locked(migration_id: int, reason: str) -> ContractMigration:
    if not reason.strip():
        raise ReasonMissing
    return lock_row(ContractMigration.objects.filter(pk=migration_id))


def _decide(migration: ContractMigration, state: str, actor_id: int | None, reason: str, action: str) -> None:
    migration.state = state
    migration.decided_by_id = actor_id
    migration.save(update_fields=["state", "decided_by", "confirmed_at", "reason"])
    counts = {name: count for name, count in facts.counts_of(migration).items() if count}
    audit.record(actor_id=actor_id, action=action, subject=migration, reason=reason, data=counts)
