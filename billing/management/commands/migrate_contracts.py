"""`manage.py migrate_contracts --from TYPE --to TYPE [--at ISO] [--dry-run] [--json]`: moves a whole contract type."""

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.models import ContractType
from billing.models import ContractMigration, ContractMigrationRow
from billing.selectors.contract_migrations import Sums, counts_of, sums_of
from billing.services.contract_migrations import confirm_migration, draft_migration, preview_migration
from billing.services.migration_running import run_migration
from common import clock
from common.errors import VoltledgerError

State = ContractMigration.State
RowState = ContractMigrationRow.State


class Command(BaseCommand):
    help = (
        "Moves everybody on a contract type to another, and prints what their wallets held before and after. The same "
        "command goes on with a migration that was interrupted. Exits with 1 when a sum differs or a driver was "
        "refused by the database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="source", required=True, help="code of the contract type that is left")
        parser.add_argument("--to", dest="target", required=True, help="code of the contract type they get")
        parser.add_argument("--at", help="not before this moment, ISO 8601, UTC unless it says otherwise")
        parser.add_argument("--reason", default="moved from the command line", help="kept in the audit trail")
        parser.add_argument("--dry-run", action="store_true", help="do it all, print it, and take it back")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        source, target = _type(options["source"]), _type(options["target"])
        at = _moment(options["at"]) if options["at"] else None
        try:
            if options["dry_run"]:
                with transaction.atomic():
                    document = self._carry_out(source, target, None, options["reason"])
                    transaction.set_rollback(True)
            else:
                document = self._carry_out(source, target, at, options["reason"])
        except VoltledgerError as error:
            raise CommandError(error.message, returncode=1) from error
        document["dry_run"] = options["dry_run"]
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else _words(document))
        if not document["ok"]:
            raise CommandError("Not everybody moved with the balance they had.", returncode=1)

    def _carry_out(
        self, source: ContractType, target: ContractType, at: datetime | None, reason: str
    ) -> dict[str, Any]:
        migration = ContractMigration.objects.filter(
            source=source, target=target, author=None, state=State.RUNNING
        ).first()
        if migration is None:
            migration = draft_migration(source_id=source.pk, target_id=target.pk, scheduled_at=at)
            preview_migration(migration_id=migration.pk)
            migration = confirm_migration(migration_id=migration.pk, actor_id=None, reason=reason)
        if migration.state == State.RUNNING:
            migration = run_migration(migration_id=migration.pk)
        return _document(migration)


def _type(code: str) -> ContractType:
    try:
        return ContractType.objects.get(code=code)
    except ContractType.DoesNotExist as error:
        known = ", ".join(ContractType.objects.order_by("code").values_list("code", flat=True))
        raise CommandError(f"No contract type has the code “{code}”. There are: {known}.") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"“{text}” is no moment. Write it like 2026-01-31T04:00+01:00.") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= clock.now():
        raise CommandError(f"{moment.isoformat()} is over. Leave --at out to move everybody now.")
    return moment


def _document(migration: ContractMigration) -> dict[str, Any]:
    sums = sums_of(migration)
    blocked = list(
        migration.rows.filter(state=RowState.BLOCKED).order_by("driver_id").values_list("driver_id", "blocked_reason")
    )
    failed = [driver_id for driver_id, reason in blocked if reason == ContractMigrationRow.Blocked.FAILED]
    return {
        "ok": all(each.are_equal for each in sums) and not failed,
        "migration": migration.pk,
        "state": migration.state,
        "drivers": counts_of(migration),
        "sums": [_sums(each) for each in sums],
        "blocked": [{"driver": driver_id, "reason": reason} for driver_id, reason in blocked],
    }


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "currency": sums.currency,
        "drivers": sums.drivers,
        "before": str(sums.before),
        "after": str(sums.after),
        "lots_before": str(sums.lots_before),
        "lots_after": str(sums.lots_after),
        "equal": sums.are_equal,
    }


def _words(document: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in document["drivers"].items() if count)
    lines = [f"Contract migration {document['migration']} is {document['state']}: {counts or 'nobody'}."]
    lines += [
        f"{sums['currency']}: {sums['before']} before, {sums['after']} after; "
        f"lots {sums['lots_before']} before, {sums['lots_after']} after."
        for sums in document["sums"]
    ]
    lines += [f"driver {row['driver']} did not move: {row['reason']}" for row in document["blocked"]]
    return "\n".join(lines)
