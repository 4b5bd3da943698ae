"""Background work about contract migrations. Each may run twice or be lost: the sweep goes on where it stopped."""

from datetime import timedelta

from django_q.tasks import async_task

from billing.models import ContractMigration
from billing.services import contract_migrations, migration_running
from common import clock

State = ContractMigration.State

# A task that takes a minute is ended by the cluster: a long migration goes on in another one.
ONE_TASK = timedelta(seconds=40)


def preview_migration(migration_id: int) -> None:
    """A migration was drafted: see who may move."""
    contract_migrations.preview_migration(migration_id=migration_id)


def run_migration(migration_id: int) -> None:
    """A migration was confirmed: move its drivers."""
    migration = migration_running.run_migration(migration_id=migration_id, until=clock.now() + ONE_TASK)
    if migration.state == State.RUNNING:
        async_task("billing.migration_tasks.run_migration", migration_id)


def undo_migration(migration_id: int) -> None:
    """A migration is being undone: move its drivers back."""
    migration = migration_running.run_undo(migration_id=migration_id, until=clock.now() + ONE_TASK)
    if migration.state == State.UNDOING:
        async_task("billing.migration_tasks.undo_migration", migration_id)


def sweep_migrations() -> int:
    """Start what is due, and go on with what was queued and lost; how many migrations that were."""
    now = clock.now()
    unfinished = ContractMigration.objects.filter(
        state__in=[State.DRAFT, State.SCHEDULED, State.RUNNING, State.UNDOING]
    )
    taken_up = 0
    for migration_id, state in list(unfinished.order_by("pk").values_list("pk", "state")):
        if state == State.SCHEDULED and not contract_migrations.start_due(migration_id=migration_id, now=now):
            continue
        taken_up += 1
        if state == State.DRAFT:
            preview_migration(migration_id)
        elif state == State.UNDOING:
            migration_running.run_undo(migration_id=migration_id, until=now + ONE_TASK)
        else:
            migration_running.run_migration(migration_id=migration_id, until=now + ONE_TASK)
    return taken_up


SCHEDULES = [("Contract migrations: preview, start, go on", "billing.migration_tasks.sweep_migrations", 1)]
