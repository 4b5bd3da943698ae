"""What the whole suite shares: where its databases lie, what a test may ask for, how a flush gets past guards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# The same examples on every run and machine, so that a red build is red again for the next person; look further with
# HYPOTHESIS_PROFILE=explore.
hypothesis_settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile("explore", deadline=None, max_examples=2_000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a plain reason, what needs a service this run does not have."""
    missing = {
        "postgresql": (
            settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql",
            "needs PostgreSQL: set DATABASE_URL",
        ),
        "redis": (not settings.REDIS_URL, "needs Redis: set REDIS_URL"),
        "browser": (shutil.which("chromium") is None, "needs Debian's chromium: sudo apt-get install -y chromium"),
    }
    for item in items:
        for mark, (is_missing, reason) in missing.items():
            if is_missing and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """Keep SQLite's test database in a file, as in service; each xdist worker has its own.

    An in-memory database is shared between threads without a busy time-out: a test with two threads would meet
    “table is locked”, which no installation meets.
    """
    database = settings.DATABASES["default"]
    if database["ENGINE"] != "django.db.backends.sqlite3":
        yield
        return
    with tempfile.TemporaryDirectory(prefix="voltledger-test-") as directory:
        database.setdefault("TEST", {})["NAME"] = str(Path(directory) / "test.sqlite3")
        yield


@pytest.fixture(scope="session", autouse=True)
def flush_despite_guards() -> Iterator[None]:
    """Empty the database after a transactional test in our own way.

    Django truncates every table on PostgreSQL, which takes seconds; on SQLite it deletes row by row, which append-only
    tables refuse. We delete from the tables that have rows, with the triggers down for that long.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty_tables())
        yield


def empty_tables() -> None:
    """Leave what migrate itself fills: content types and permissions."""
    kept = {ContentType._meta.db_table, Permission._meta.db_table}
    tables = [name for name in connection.introspection.django_table_names() if name not in kept]
    with connection.cursor() as cursor:
        looks = [f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables]  # noqa: S608 (our names)
        cursor.execute(" UNION ALL ".join(looks))
        filled = [name for (name,) in cursor.fetchall()]
    with transaction.atomic(), connection.cursor() as cursor, triggers_down(cursor, filled):
        for name in filled:
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 (our names)


@contextmanager
def triggers_down(cursor: CursorWrapper, tables: list[str]) -> Iterator[None]:
    if connection.vendor == "sqlite":
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        take_down = [f"DROP TRIGGER {name}" for name, _ in triggers]
        put_back = [statement for _, statement in triggers]
    else:
        take_down = [f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in tables]
        # The foreign keys are checked now: a table with checks outstanding cannot be altered.
        put_back = ["SET CONSTRAINTS ALL IMMEDIATE", *(f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in tables)]
    for statement in take_down:
        cursor.execute(statement)
    yield
    for statement in put_back:
        cursor.execute(statement)
