"""The suite's own footing: tests leave nothing behind, and no guard is lost on the way."""

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import TransactionTestCase

from accounts.models import AuditEvent
from common.guards import missing_guards


@pytest.mark.django_db(transaction=True)
def test_a_flush_empties_append_only_tables_and_keeps_their_guards() -> None:
    AuditEvent.objects.create(action="top_up", subject_type="driver", subject_id="1")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.all().delete()
    TransactionTestCase()._fixture_teardown()  # type: ignore[attr-defined]
    assert AuditEvent.objects.count() == 0
    assert missing_guards(connection) == []


@pytest.mark.django_db
def test_sqlite_is_tested_as_it_is_run() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("about SQLite")
    assert settings.DATABASES["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    with connection.cursor() as cursor:
        modes = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "recursive_triggers", "foreign_keys", "synchronous")
        ]
    assert modes == ["wal", 1, 1, 2]


@pytest.mark.postgresql
@pytest.mark.django_db
def test_tests_marked_postgresql_run_on_postgresql() -> None:
    assert connection.vendor == "postgresql"
