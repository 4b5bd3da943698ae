"""What the whole suite shares: where its databases lie, what a test may ask for, how a flush gets past guards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
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
    """Let the flush after a transactional test empty append-only tables.

    PostgreSQL truncates, which row triggers do not see. SQLite deletes row by row and is refused, so its triggers are
    taken down for the flush alone and put back as they were.
    """
    with pytest.MonkeyPatch.context() as patch:
        flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

        def flush_without_triggers(self: TransactionTestCase) -> None:
            with sqlite_triggers_lifted():
                flush(self)

        patch.setattr(TransactionTestCase, "_fixture_teardown", flush_without_triggers)
        yield


@contextmanager
def sqlite_triggers_lifted() -> Iterator[None]:
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for _, statement in triggers:
                cursor.execute(statement)
