"""A migration against a settlement and a start of the same driver. Beside each, what happens without the lock."""

import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection, transaction

from accounts.models import Contract
from billing.models import ChargingSession
from billing.selectors import contract_migrations as facts
from billing.selectors.wallets import wallet_of
from billing.services.admission import admit
from billing.services.books import verify
from billing.services.contract_migrations import undo_migration
from billing.services.migration_running import run_migration, run_undo
from billing.services.settlement import settle_session
from common import clock
from tests.billing.contract_migrations.world import ada_on, confirmed, row_of, types
from tests.billing.factories import EndedSessionFactory, eur
from tests.billing.sessions.conftest import save_card, stand_with
from tests.factories import ContractTypeFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

ROUNDS = 5


def together(*actions: Callable[[], object]) -> None:
    """Run the actions at once; whatever one raises fails the test."""
    barrier = threading.Barrier(len(actions))
    errors: list[Exception] = []

    def run(action: Callable[[], object]) -> None:
        barrier.wait(timeout=30)
        try:
            action()
        except Exception as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


def wait_until_somebody_waits_for_a_lock() -> None:
    """Until another connection of this database stands before a lock."""
    with connection.cursor() as cursor:
        for _ in range(2000):
            # What others do is remembered for the length of a transaction unless it is forgotten.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.005)"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waited")


def test_a_settlement_and_a_migration_each_see_the_wallet_whole() -> None:
    plain, credit = types()
    for _ in range(ROUNDS):
        ada = ada_on(credit, "20.00")
        contract = Contract.objects.get(driver=ada)
        sessions = [EndedSessionFactory(contract=contract, driver=ada) for _ in range(2)]
        migration = confirmed(credit, plain)
        together(
            partial(run_migration, migration_id=migration.pk),
            *(partial(settle_session, session_id=session.pk) for session in sessions),
        )
        row = row_of(ada)
        assert row.state == "migrated"
        assert row.balance_before == row.balance_after
        # Both finish on the old contract: 20.00 of the 20.40 from the wallet.
        assert wallet_of(ada.pk).balance == eur("0.00")
    assert verify().findings == []


def test_control_without_the_wallets_lock_the_balance_moves_meanwhile() -> None:
    """Reads the balance, lets a settlement come in, reads it again: what a migration would do without its lock."""
    _, credit = types()
    ada = ada_on(credit, "20.00")
    session = EndedSessionFactory(contract=Contract.objects.get(driver=ada), driver=ada)
    migration = confirmed(credit, ContractTypeFactory(code="third"))
    has_read, has_settled = threading.Event(), threading.Event()
    seen: list[Decimal] = []

    def migrate() -> None:
        with transaction.atomic():
            rows = migration.rows.annotate(now=facts.balance())
            seen.append(rows.get().now)
            has_read.set()
            assert has_settled.wait(timeout=30)
            seen.append(rows.get().now)

    def settle() -> None:
        assert has_read.wait(timeout=30)
        settle_session(session_id=session.pk)
        has_settled.set()

    together(migrate, settle)
    assert seen == [Decimal("20.00"), Decimal("9.80")]


def test_a_start_during_a_migration_waits_and_has_the_new_contract() -> None:
    """The migration has its locks and not yet its end; the start that comes then waits for it."""
    stand = stand_with()
    save_card(stand)
    credit = ContractTypeFactory(wallet_use="draw_first")
    driver_id = stand.contract.driver_id
    migration = confirmed(stand.contract.contract_type, credit)
    is_moved = threading.Event()

    def migrate() -> None:
        with transaction.atomic():
            run_migration(migration_id=migration.pk)
            is_moved.set()
            wait_until_somebody_waits_for_a_lock()

    def start() -> None:
        assert is_moved.wait(timeout=30)
        now = clock.now()
        stand.start(started_at=now, reported_at=now, received_at=now)

    together(migrate, start)
    session = ChargingSession.objects.get()
    assert session.contract == Contract.objects.get(driver=driver_id, ends_at=None)
    assert session.contract.contract_type == credit


def test_a_start_that_came_first_keeps_its_contract() -> None:
    """The start has the driver's lock and not yet its end: the migration waits, and begins after it."""
    stand = stand_with()
    save_card(stand)
    migration = confirmed(stand.contract.contract_type, ContractTypeFactory(wallet_use="draw_first"))
    is_started = threading.Event()

    def start() -> None:
        with transaction.atomic():
            now = clock.now()
            stand.start(started_at=now, reported_at=now, received_at=now)
            is_started.set()
            wait_until_somebody_waits_for_a_lock()

    def migrate() -> None:
        assert is_started.wait(timeout=30)
        run_migration(migration_id=migration.pk)

    together(start, migrate)
    session = ChargingSession.objects.select_related("contract").get()
    assert session.contract == stand.contract
    assert session.contract.ends_at is not None
    assert session.started_at is not None
    assert session.contract.ends_at > session.started_at


def test_control_without_the_drivers_lock_a_session_begins_on_a_contract_that_is_over() -> None:
    """Admission reads the contract, the migration goes through, the session is written: a start without its lock."""
    stand = stand_with()
    save_card(stand)
    migration = confirmed(stand.contract.contract_type, ContractTypeFactory(wallet_use="draw_first"))
    run_migration_now = threading.Event()
    is_migrated = threading.Event()
    sessions: list[ChargingSession] = []

    def start() -> None:
        with transaction.atomic():
            admission = admit(driver_id=stand.contract.driver_id, at=clock.now(), power_class="AC")
            run_migration_now.set()
            assert is_migrated.wait(timeout=30)
            sessions.append(
                EndedSessionFactory(
                    contract=admission.contract,
                    driver=stand.contract.driver,
                    status="active",
                    started_at=clock.now(),
                    stopped_at=None,
                    ended_at=None,
                )
            )

    def migrate() -> None:
        assert run_migration_now.wait(timeout=30)
        run_migration(migration_id=migration.pk)
        is_migrated.set()

    together(start, migrate)
    (session,) = sessions
    stand.contract.refresh_from_db()
    assert session.contract == stand.contract
    assert stand.contract.ends_at is not None
    assert session.started_at is not None
    assert stand.contract.ends_at < session.started_at


def test_who_starts_while_it_is_undone_keeps_the_new_contract() -> None:
    """The start has the driver's lock and not yet its end: undoing waits, and finds the new contract used."""
    stand = stand_with()
    save_card(stand)
    credit = ContractTypeFactory(wallet_use="draw_first")
    migration = confirmed(stand.contract.contract_type, credit)
    run_migration(migration_id=migration.pk)
    undo_migration(migration_id=migration.pk, actor_id=None, reason="wrong type")
    is_started = threading.Event()

    def start() -> None:
        with transaction.atomic():
            now = clock.now()
            stand.start(started_at=now, reported_at=now, received_at=now)
            is_started.set()
            wait_until_somebody_waits_for_a_lock()

    def undo() -> None:
        assert is_started.wait(timeout=30)
        run_undo(migration_id=migration.pk)

    together(start, undo)
    row = row_of(stand.contract.driver)
    assert (row.state, row.kept_reason) == ("migrated", "used")
    assert ChargingSession.objects.get().contract == row.new_contract
    assert Contract.objects.get(driver=stand.contract.driver, ends_at=None) == row.new_contract


def test_two_workers_move_each_driver_once() -> None:
    plain, credit = types()
    drivers = [ada_on(plain, "1.00") for _ in range(6)]
    migration = confirmed(plain, credit)
    together(*[partial(run_migration, migration_id=migration.pk)] * 4)
    migration.refresh_from_db()
    assert (migration.state, migration.sums["EUR"]["after"]) == ("done", "6.00")
    assert Contract.objects.filter(driver__in=drivers).count() == 12
