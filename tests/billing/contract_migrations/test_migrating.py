"""Ada moves from pay as you go to the credit mechanism: previewed, moved with every cent, moved back."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from accounts.models import AuditEvent, Contract
from accounts.services.contracts import change_contract
from billing.errors import NobodyToMigrate, ReasonMissing, SameContractType, UndoTooLate
from billing.migration_tasks import sweep_migrations
from billing.models import ContractMigration, LedgerEntry
from billing.selectors.contract_migrations import lots_of, sums_of
from billing.selectors.wallets import wallet_of
from billing.services.books import assert_books
from billing.services.contract_migrations import (
    cancel_migration,
    confirm_migration,
    draft_migration,
    exclude_rows,
    preview_migration,
    undo_migration,
)
from billing.services.migration_running import run_migration, run_undo
from billing.services.settlement import settle_session
from common import clock
from common.errors import InvalidTransition
from tests.billing.contract_migrations.world import (
    ada_on,
    amounts,
    confirmed,
    migrated,
    previewed,
    row_of,
    type_of,
    types,
)
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.payments.world import save_card
from tests.factories import ContractFactory, ContractTypeFactory, DriverFactory

pytestmark = pytest.mark.django_db


def test_the_preview_shows_what_each_driver_has_and_changes_nothing():
    plain, credit = types()
    ada = ada_on(plain, "12.30", promo="5.00")
    save_card(ada)
    session = EndedSessionFactory(contract=Contract.objects.get(driver=ada), driver=ada)
    settle_session(session_id=session.pk)
    EndedSessionFactory(
        contract=Contract.objects.get(driver=ada), driver=ada, status="active", stopped_at=None, ended_at=None
    )
    migration = previewed(plain, credit)
    assert migration.state == "previewed"
    row = row_of(ada)
    assert (row.state, row.currency, row.lot_count, row.open_sessions, row.has_card) == ("pending", "EUR", 2, 1, True)
    assert (row.balance, row.promo, row.debt) == amounts("17.30", "5.00", "10.20")
    assert [(lot.kind, lot.remaining) for lot in lots_of([row])[ada.pk]] == [
        ("cash", eur("12.30").amount),
        ("promo", eur("5.00").amount),
    ]
    assert type_of(ada) == "plain"


def test_what_blocks_is_named():
    plain, credit = types()
    closed = ada_on(plain)
    closed.status = "closed"
    closed.save()
    planned = ada_on(plain)
    change_contract(driver_id=planned.pk, contract_type_id=credit.pk, at=clock.now() + timedelta(days=9))
    there = ada_on(credit)
    nobody = DriverFactory()
    francs = ContractTypeFactory(code="francs", currency="CHF")
    rich, poor = ada_on(plain, "0.01"), ada_on(plain)
    everybody = [closed, planned, there, nobody]
    migration = draft_migration(target_id=credit.pk, driver_ids=[driver.pk for driver in everybody])
    preview_migration(migration_id=migration.pk)
    assert [row_of(driver).blocked_reason for driver in everybody] == ["closed", "planned", "same_type", "no_contract"]
    preview_migration(migration_id=draft_migration(target_id=francs.pk, driver_ids=[rich.pk, poor.pk]).pk)
    assert (row_of(rich).blocked_reason, row_of(poor).state) == ("other_currency", "pending")
    with pytest.raises(NobodyToMigrate):
        confirm_migration(migration_id=migration.pk, actor_id=None, reason="new terms")


def test_everybody_moves_at_one_moment_with_every_cent():
    plain, credit = types()
    ada, ben = ada_on(plain, "12.30", promo="5.00"), ada_on(plain, "0.07")
    cleo = ada_on(plain)
    fill_wallet(ada, "0.10")
    entries = LedgerEntry.objects.count()
    migration = migrated(plain, credit)
    assert migration.state == "done"
    assert migration.sums == {
        "EUR": {"drivers": 3, "before": "17.47", "after": "17.47", "lots_before": "17.47", "lots_after": "17.47"}
    }
    assert [type_of(driver) for driver in (ada, ben, cleo)] == ["credit"] * 3
    row = row_of(ada)
    assert (row.balance_before, row.balance_after) == amounts("17.40", "17.40")
    assert (row.old_contract.ends_at, row.new_contract.starts_at) == (row.moved_at, row.moved_at)
    assert (wallet_of(ada.pk).balance, LedgerEntry.objects.count()) == (eur("17.40"), entries)
    event = AuditEvent.objects.get(action="contract_migration_confirmed")
    assert (event.subject_id, event.reason, event.data) == (str(migration.pk), "new terms", {"pending": 3})
    assert AuditEvent.objects.filter(action="contract_changed", subject_id=str(ada.pk)).count() == 1
    assert_books()
    run_migration(migration_id=migration.pk)
    assert Contract.objects.filter(driver=ada).count() == 2


def test_moving_takes_the_same_number_of_queries_whatever_the_drivers():
    counts = []
    for drivers in (1, 12):
        plain, credit = ContractTypeFactory(), ContractTypeFactory(wallet_use="draw_first")
        for _ in range(drivers):
            ada_on(plain, "1.00")
        migration = confirmed(plain, credit)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            run_migration(migration_id=migration.pk)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_running_session_finishes_on_the_old_contract():
    plain, credit = types()
    ada = ada_on(plain, "4.00")
    session = EndedSessionFactory(contract=Contract.objects.get(driver=ada), driver=ada)
    migrated(plain, credit)
    settle_session(session_id=session.pk)
    assert list(session.cdr.legs.values_list("source", "amount")) == [("card", eur("10.20").amount)]
    assert wallet_of(ada.pk).balance == eur("4.00")
    later = EndedSessionFactory(contract=Contract.objects.get(driver=ada, ends_at=None), driver=ada)
    settle_session(session_id=later.pk)
    assert [leg.source for leg in later.cdr.legs.order_by("seq")] == ["wallet_cash", "card"]
    assert wallet_of(ada.pk).balance == eur("0.00")
    assert_books()


def test_the_balance_freezes_where_the_wallet_is_not_used_and_comes_back():
    plain, credit = types()
    ada = ada_on(credit, "4.00")
    migrated(credit, plain)
    session = EndedSessionFactory(contract=Contract.objects.get(driver=ada, ends_at=None), driver=ada)
    settle_session(session_id=session.pk)
    assert wallet_of(ada.pk).balance == eur("4.00")


def test_who_is_left_out_stays():
    plain, credit = types()
    ada, ben = ada_on(plain, "1.00"), ada_on(plain, "2.00")
    migration = previewed(plain, credit)
    assert exclude_rows(migration_id=migration.pk, row_ids=[row_of(ada).pk, row_of(ben).pk]) == 2
    assert exclude_rows(migration_id=migration.pk, row_ids=[row_of(ben).pk], is_excluded=False) == 1
    confirm_migration(migration_id=migration.pk, actor_id=None, reason="new terms")
    with pytest.raises(InvalidTransition):
        exclude_rows(migration_id=migration.pk, row_ids=[row_of(ben).pk])
    assert run_migration(migration_id=migration.pk).sums["EUR"]["before"] == "2.00"
    assert (type_of(ada), type_of(ben)) == ("plain", "credit")


def test_a_scheduled_migration_waits_for_its_moment():
    plain, credit = types()
    ada = ada_on(plain, "3.00")
    at = clock.now() + timedelta(days=3)
    migration = confirmed(plain, credit, scheduled_at=at)
    assert (migration.state, sweep_migrations(), type_of(ada)) == ("scheduled", 0, "plain")
    with time_machine.travel(at + timedelta(seconds=1)):
        assert sweep_migrations() == 1
        assert type_of(ada) == "credit"
        migration.refresh_from_db()
        assert (migration.state, sweep_migrations()) == ("done", 0)


def test_who_changed_since_the_preview_is_left_alone():
    plain, credit = types()
    ada, ben = ada_on(plain), ada_on(plain)
    other = ContractTypeFactory(code="other")
    migration = confirmed(plain, credit)
    change_contract(driver_id=ada.pk, contract_type_id=other.pk)
    run_migration(migration_id=migration.pk)
    assert (type_of(ada), row_of(ada).blocked_reason, type_of(ben)) == ("other", "changed", "credit")


def test_a_migration_given_up_moves_nobody():
    plain, credit = types()
    ada = ada_on(plain)
    migration = confirmed(plain, credit, scheduled_at=clock.now() + timedelta(days=1))
    with pytest.raises(ReasonMissing):
        cancel_migration(migration_id=migration.pk, actor_id=None, reason=" ")
    cancel_migration(migration_id=migration.pk, actor_id=None, reason="not now")
    with time_machine.travel(clock.now() + timedelta(days=2)):
        assert (sweep_migrations(), type_of(ada)) == (0, "plain")
    with pytest.raises(InvalidTransition):
        confirm_migration(migration_id=migration.pk, actor_id=None, reason="again")


def test_undone_is_who_has_not_charged_since():
    plain, credit = types()
    ada, ben = ada_on(plain, "3.00"), ada_on(plain, "2.00")
    migration = migrated(plain, credit)
    EndedSessionFactory(contract=row_of(ben).new_contract, driver=ben, status="active", stopped_at=None, ended_at=None)
    undo_migration(migration_id=migration.pk, actor_id=None, reason="wrong type")
    assert run_undo(migration_id=migration.pk).state == "undone"
    assert (type_of(ada), row_of(ada).state, wallet_of(ada.pk).balance) == ("plain", "undone", eur("3.00"))
    assert (type_of(ben), row_of(ben).state, row_of(ben).kept_reason) == ("credit", "migrated", "used")
    row = row_of(ada)
    assert row.restored_contract.starts_at == Contract.objects.get(pk=row.new_contract_id).ends_at
    assert AuditEvent.objects.filter(action="contract_migration_undone", subject_id=str(migration.pk)).exists()
    assert_books()
    run_undo(migration_id=migration.pk)
    assert Contract.objects.filter(driver=ada).count() == 3


def test_the_time_to_undo_ends():
    plain, credit = types()
    ada_on(plain)
    migration = migrated(plain, credit)
    with time_machine.travel(clock.now() + timedelta(days=8)), pytest.raises(UndoTooLate):
        undo_migration(migration_id=migration.pk, actor_id=None, reason="too late")


def test_nobody_moves_to_where_they_are():
    plain, _ = types()
    with pytest.raises(SameContractType):
        draft_migration(source_id=plain.pk, target_id=plain.pk)
    with pytest.raises(NobodyToMigrate):
        draft_migration(target_id=plain.pk)
    assert not ContractMigration.objects.exists()
    assert not OrmQ.objects.exists()


def test_what_was_proved_cannot_be_changed():
    plain, credit = types()
    ada = ada_on(plain, "3.00")
    migration = migrated(plain, credit)
    for sql in (
        "UPDATE billing_contractmigrationrow SET balance_before = 4",
        "DELETE FROM billing_contractmigrationrow",
        "UPDATE billing_contractmigration SET target_id = source_id",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert row_of(ada).balance_before == sums_of(migration)[0].before


def test_a_selection_may_come_from_several_types():
    plain, credit = types()
    other = ContractTypeFactory(code="other")
    ada, ben = ada_on(plain, "1.00"), ContractFactory(contract_type=other).driver
    migration = preview_migration(migration_id=draft_migration(target_id=credit.pk, driver_ids=[ada.pk, ben.pk]).pk)
    confirm_migration(migration_id=migration.pk, actor_id=None, reason="both")
    run_migration(migration_id=migration.pk)
    undo_migration(migration_id=migration.pk, actor_id=None, reason="neither")
    run_undo(migration_id=migration.pk)
    assert (type_of(ada), type_of(ben)) == ("plain", "other")
