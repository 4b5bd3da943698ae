"""Database guards: triggers and constraints Django cannot state, kept beside the models they protect.

An app lists its `Guard`s in `guards.py` and registers them from its AppConfig. They are reinstalled after every migrate
(on SQLite altering a table rebuilds it and silently drops its triggers, and fails while another table's trigger reads
it, so there they are taken down before) and asserted by a system check, so a database that lost one is reported by
`manage.py check --database default` and by `verify_books`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class Guard:
    """One named guard. `install` statements per vendor are idempotent; `name` is what the catalogue lists afterwards.

    kind: "trigger" or "constraint". A vendor without statements does not need (or cannot have) the guard.
    """

    name: str
    table: str
    kind: str
    postgresql: tuple[str, ...] = ()
    sqlite: tuple[str, ...] = ()

    def statements(self, vendor: str) -> tuple[str, ...]:
        return {"postgresql": self.postgresql, "sqlite": self.sqlite}.get(vendor, ())


_registry: dict[str, Guard] = {}


def register_guards(guards: Iterable[Guard]) -> None:
    for guard in guards:
        _registry[guard.name] = guard


def append_only(table: str, *, deletable: bool = False, message: str) -> list[Guard]:
    """Guards that refuse UPDATE (and DELETE, unless prunable) of a table's rows, on both databases."""
    operations = ["update"] if deletable else ["update", "delete"]
    return [refuse(table, operation, name=f"{table}_no_{operation}", message=message) for operation in operations]


def refuse(table: str, operation: str, *, name: str, message: str, when: str = "") -> Guard:
    """A row trigger that refuses `operation` (update | delete); `when` is an SQL condition on OLD and NEW."""
    condition = f"WHEN ({when})" if when else ""
    function = f"{name}_fn"
    verb = operation.upper()
    return Guard(
        name=name,
        table=table,
        kind="trigger",
        postgresql=(
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW {condition} EXECUTE FUNCTION {function}()",
        ),
        sqlite=(
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END",
        ),
    )


def install_guards(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> None:
    """(Re)install every registered guard whose table is among `tables`."""
    with connection.cursor() as cursor:
        for guard in _registry.values():
            if guard.table in tables:
                for statement in guard.statements(connection.vendor):
                    cursor.execute(statement)


def take_down_triggers(connection: BaseDatabaseWrapper) -> None:
    """Drop every registered trigger on SQLite, which rebuilds no table that a trigger of another one reads."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        for guard in _registry.values():
            if guard.kind == "trigger" and guard.sqlite:
                cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}")


def missing_guards(connection: BaseDatabaseWrapper) -> list[Guard]:
    """Registered guards the database does not have, of tables it does have."""
    tables = set(connection.introspection.table_names())
    present = _present_names(connection)
    return [
        guard
        for guard in _registry.values()
        if guard.table in tables and guard.statements(connection.vendor) and guard.name not in present
    ]


def _present_names(connection: BaseDatabaseWrapper) -> set[str]:
    queries = {
        "postgresql": (
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' "
            "UNION SELECT conname FROM pg_constraint"
        ),
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    }
    with connection.cursor() as cursor:
        cursor.execute(queries[connection.vendor])
        return {row[0] for row in cursor.fetchall()}


_overlooked: ContextVar[bool] = ContextVar("overlooked", default=False)


@contextmanager
def overlook_missing() -> Iterator[None]:
    """Within it `check_guards` finds nothing: they are about to be installed."""
    overlooked = _overlooked.set(True)
    try:
        yield
    finally:
        _overlooked.reset(overlooked)


@register(Tags.database)
def check_guards(databases: Sequence[str] | None = None, **options: object) -> list[CheckMessage]:
    """Every guard must stand in every database that is checked."""
    problems: list[CheckMessage] = []
    for alias in () if _overlooked.get() else databases or ():
        try:
            missing = missing_guards(connections[alias])
        except DatabaseError as error:
            problems.append(Error(f"The database “{alias}” cannot be read: {error}", id="common.E001"))
            continue
        problems.extend(
            Error(
                f"The guard “{guard.name}” is missing from {guard.table}.",
                hint="Run manage.py migrate: it reinstalls every guard.",
                id="common.E002",
            )
            for guard in missing
        )
    return problems
