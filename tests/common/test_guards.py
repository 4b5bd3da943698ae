"""Guards go before tables are rebuilt and come back afterwards."""

import pytest
from django.apps import apps
from django.db import connection

from common.apps import reinstall_guards, take_down_guards
from common.guards import missing_guards

pytestmark = pytest.mark.django_db


def test_before_a_migration_sqlite_has_no_trigger_and_after_it_every_guard() -> None:
    assert missing_guards(connection) == []
    take_down_guards(using="default", plan=[("a migration", False)])
    gone = missing_guards(connection)
    assert bool(gone) == (connection.vendor == "sqlite")
    assert {guard.kind for guard in gone} <= {"trigger"}
    for app in apps.get_app_configs():
        reinstall_guards(sender=app, using="default", plan=[("a migration", False)])
    assert missing_guards(connection) == []


def test_without_a_migration_they_stay() -> None:
    take_down_guards(using="default", plan=[])
    assert missing_guards(connection) == []
