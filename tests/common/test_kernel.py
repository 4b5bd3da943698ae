"""States, guards and locks."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError, connection, transaction

from accounts.models import AuditEvent, Contract, Driver
from common.errors import InvalidTransition
from common.guards import install_guards, missing_guards
from common.ids import CODE_ALPHABET, new_code, new_secret
from common.locking import lock_row, lock_rows
from common.states import check_step, may_step
from tests.factories import DriverFactory

TABLE = {"open": {"closed"}, "closed": set()}


def test_a_step_in_the_table_changes_something_and_a_repeat_does_not():
    assert check_step(TABLE, "open", "closed") is True
    assert check_step(TABLE, "closed", "closed") is False
    assert may_step(TABLE, "open", "closed")
    assert not may_step(TABLE, "closed", "open")


def test_a_step_outside_the_table_raises():
    with pytest.raises(InvalidTransition, match="closed"):
        check_step(TABLE, "closed", "open")


def test_codes_use_the_readable_alphabet_and_secrets_are_long_enough():
    assert set(new_code(200)) <= set(CODE_ALPHABET)
    assert len(new_secret()) == 40
    with pytest.raises(ValueError, match="128"):
        new_secret(64)


@pytest.mark.django_db
def test_audit_events_cannot_be_changed_or_deleted():
    event = AuditEvent.objects.create(action="test", subject_type="x", subject_id="1")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=event.pk).update(reason="other")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=event.pk).delete()
    assert AuditEvent.objects.get(pk=event.pk).reason == ""


@pytest.mark.django_db
def test_a_lost_guard_is_reported_and_put_back():
    assert missing_guards(connection) == []
    drop = "DROP TRIGGER accounts_auditevent_no_update"
    with connection.cursor() as cursor:
        cursor.execute(drop if connection.vendor == "sqlite" else f"{drop} ON accounts_auditevent")
    assert [guard.name for guard in missing_guards(connection)] == ["accounts_auditevent_no_update"]
    install_guards(connection, ["accounts_auditevent"])
    assert missing_guards(connection) == []


@pytest.mark.django_db
def test_migrating_puts_back_a_guard_that_is_missing():
    """As after an update that brings one: the check that reports it must not stop what installs it."""
    with connection.cursor() as cursor:
        drop = "DROP TRIGGER accounts_auditevent_no_update"
        cursor.execute(drop if connection.vendor == "sqlite" else f"{drop} ON accounts_auditevent")
    with pytest.raises(SystemCheckError, match=r"common\.E002"):
        call_command("check", databases=["default"])
    call_command("migrate", verbosity=0, skip_checks=False)
    call_command("check", databases=["default"])


@pytest.mark.django_db
def test_rows_are_locked_in_primary_key_order():
    drivers = [DriverFactory() for _ in range(3)]
    with transaction.atomic():
        assert [row.pk for row in lock_rows(Driver.objects.order_by("-pk"))] == [driver.pk for driver in drivers]


@pytest.mark.django_db
def test_lock_row_wants_exactly_one():
    DriverFactory.create_batch(2)
    with transaction.atomic():
        with pytest.raises(Driver.MultipleObjectsReturned):
            lock_row(Driver.objects.all())
        with pytest.raises(Contract.DoesNotExist):
            lock_row(Contract.objects.all())
