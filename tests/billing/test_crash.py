"""kill -9 of the worker at every step, then a restart: one charge, one posting, clean books.

A process of its own is really killed, before each of its writes and commits; what it held open the database rolls
back. The restart is what a restarted worker does: the sweep, then whatever is queued.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from django.db import connection
from django_q.models import OrmQ

from accounts.models import Contract, Driver
from billing.migration_tasks import sweep_migrations
from billing.models import (
    Cdr,
    ChargingSession,
    ContractMigrationRow,
    FakeProviderObject,
    FundingLeg,
    LedgerTransaction,
)
from billing.selectors.book_checks import CHECKS
from billing.selectors.wallets import wallet_of
from billing.services.holds import place_hold
from billing.services.payment_sweep import sweep_payments
from billing.services.refunds import refund_session
from billing.services.settlement import settle_overdue, settle_session
from common import clock
from tests.billing.contract_migrations.world import ada_on, confirmed, type_of, types
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.payments.held import (
    CAPTURED,
    SIX_TWENTY_WH,
    catch_up,
    outcome,
    preauth_stand,
    started,
)
from tests.billing.payments.world import charged_at_bank, owed_by, save_card, work_off_queue
from tests.billing.refunds.world import after, paid_session
from tests.billing.sessions.conftest import NOON
from tests.billing.wallets.world import balance, cleared, lots, top_up_of, wallet_driver
from tests.factories import ContractFactory, ContractTypeFactory

pytestmark = pytest.mark.django_db(transaction=True)

Worker = Callable[[int, str, int], int]


@pytest.fixture(scope="module")
def worker(django_db_setup: None) -> Iterator[Worker]:
    """Have the worker do something and be killed at a step; the signal that ended it, 0 when it was done before."""
    database = connection.settings_dict
    if connection.vendor == "postgresql":
        login = database["USER"] + (f":{database['PASSWORD']}" if database["PASSWORD"] else "")
        url = f"postgres://{login}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"
    else:
        url = f"sqlite:///{database['NAME']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.billing.crash_worker"],
        env=os.environ | {"DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def work(step: int, verb: str, row_id: int) -> int:
        process.stdin.write(f"{step} {verb} {row_id} {clock.now().isoformat()}\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield work
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def assert_books_hold() -> None:
    for _, _, run in CHECKS:
        assert list(run(clock.now())) == []


def restart() -> None:
    """A worker comes back: it sweeps, and works off what is queued."""
    settle_overdue(now=clock.now())
    work_off_queue()
    sweep_payments(clock.now() + timedelta(minutes=5))


def killed_at_every_step(worker: Worker, verb: str, prepare: Callable[[], int]) -> list[int]:
    """Prepare a row, kill the worker at its first step with it; another row, the second step; and so on to the end.

    The rows, one for each step; the last one's work was done. Nobody has come back yet.
    """
    row_ids = []
    ended_by = signal.SIGKILL.value
    while ended_by == signal.SIGKILL:
        row_ids.append(prepare())
        ended_by = worker(len(row_ids), verb, row_ids[-1])
    assert ended_by == 0
    return row_ids


def test_settlement_killed_at_every_step(worker: Worker) -> None:
    """4.00 and a hold in the wallet, 10.20 to pay, a card on file."""
    sessions: list[ChargingSession] = []

    def prepare() -> int:
        assert not sessions or OrmQ.objects.count() == Cdr.objects.filter(charging_session=sessions[-1]).count()
        session = EndedSessionFactory(contract_type__credit=True)
        fill_wallet(session.driver, "4.00")
        save_card(session.driver)
        work_off_queue()
        place_hold(
            driver_id=session.driver_id,
            session_id=session.pk,
            amount=eur("3.00"),
            expires_at=clock.now() + timedelta(days=1),
            idempotency_key=f"hold:{session.pk}",
        )
        sessions.append(session)
        return session.pk

    killed_at_every_step(worker, "settle", prepare)
    restart()

    for step, session in enumerate(sessions, 1):
        session.refresh_from_db()
        cdr = Cdr.objects.get(charging_session=session)
        legs = list(cdr.legs.values_list("source", "amount", "state"))
        assert (step, legs) == (
            step,
            [("wallet_cash", Decimal("4.00"), "paid"), ("card", Decimal("6.20"), "paid")],
        )
        assert (session.outcome, session.payment_status) == ("billed", "paid")
        assert charged_at_bank(str(session.public_id)) == Decimal("6.20")
        assert LedgerTransaction.objects.filter(reference=str(session.public_id)).count() == 2
        assert (wallet_of(session.driver_id).balance, wallet_of(session.driver_id).reserved) == (eur("0"), eur("0"))
        assert owed_by(session.driver_id) == 0
    assert_books_hold()
    # The accounts to open, the locks, the write, the queue, the commit.
    assert len(sessions) > 6


def test_settling_several_together_killed_at_every_step(worker: Worker) -> None:
    """Three sessions of one wallet with 25.00 in one transaction: none of them or all of them."""
    contract = ContractFactory(contract_type=ContractTypeFactory(wallet=True))
    fill_wallet(contract.driver, "1.00")
    settle_session(session_id=EndedSessionFactory(contract=contract).pk)
    step = 0
    ended_by = signal.SIGKILL.value
    while ended_by == signal.SIGKILL:
        step += 1
        fill_wallet(contract.driver, "25.00")
        sessions = [EndedSessionFactory(contract=contract) for _ in range(3)]
        ended_by = worker(step, "sweep", 0)
        assert ended_by in (signal.SIGKILL, 0)
        assert Cdr.objects.filter(charging_session__in=sessions).count() in (0, 3)

        restart()

        cdrs = Cdr.objects.filter(charging_session__in=sessions).order_by("charging_session_id")
        assert [list(cdr.legs.values_list("source", "amount")) for cdr in cdrs] == [
            [("wallet_cash", Decimal("10.20"))],
            [("wallet_cash", Decimal("10.20"))],
            [("wallet_cash", Decimal("4.60")), ("debt", Decimal("5.60"))],
        ]
        assert wallet_of(contract.driver_id).balance == eur("0")
        assert owed_by(contract.driver_id) == Decimal("9.20") + step * Decimal("5.60")
    assert_books_hold()
    # The claim, the write, the commit, and once to the end.
    assert step > 3


def test_collecting_killed_at_every_step(worker: Worker) -> None:
    """6.20 by card; the fake bank keeps its own books in the same database, in transactions of its own."""

    def prepare() -> int:
        session = EndedSessionFactory(contract_type__credit=True)
        fill_wallet(session.driver, "4.00")
        save_card(session.driver)
        settle_session(session_id=session.pk)
        OrmQ.objects.all().delete()
        return int(FundingLeg.objects.get(cdr__charging_session=session, source="card").pk)

    leg_ids = killed_at_every_step(worker, "collect", prepare)
    restart()
    restart()

    for step, leg_id in enumerate(leg_ids, 1):
        leg = FundingLeg.objects.select_related("cdr__charging_session").get(pk=leg_id)
        session = leg.cdr.charging_session
        assert (step, leg.state) == (step, "paid")
        assert charged_at_bank(str(session.public_id)) == Decimal("6.20")
        assert LedgerTransaction.objects.filter(event="card_payment", reference=str(session.public_id)).count() == 1
        assert owed_by(session.driver_id) == 0
    assert_books_hold()
    assert len(leg_ids) > 15


def test_capturing_a_hold_killed_at_every_step(worker: Worker) -> None:
    """25.00 are held on the card, 6.20 of them are taken, the rest is let go."""
    sessions: list[ChargingSession] = []
    with time_machine.travel(NOON, tick=False) as now:

        def prepare() -> int:
            now.move_to(NOON)
            stand = preauth_stand("visa")
            session = started(stand)
            work_off_queue()
            now.move_to(NOON + timedelta(minutes=95))
            stand.stop(session.pk, 90, SIX_TWENTY_WH)
            settle_session(session_id=session.pk)
            sessions.append(session)
            return int(FundingLeg.objects.get(cdr__charging_session=session).pk)

        killed_at_every_step(worker, "collect", prepare)
        for _ in range(3):
            now.shift(timedelta(minutes=6))
            catch_up()
        for step, session in enumerate(sessions, 1):
            assert (step, outcome(session)) == (step, CAPTURED)
    assert len(sessions) > 15


def test_a_refund_killed_at_every_step(worker: Worker) -> None:
    """10.20, 4.00 of it from the wallet: each part goes back to where it came from, when the operator asks again."""
    sessions: list[ChargingSession] = []

    def prepare() -> int:
        sessions.append(paid_session(wallet="4.00"))
        work_off_queue()
        return sessions[-1].pk

    killed_at_every_step(worker, "refund", prepare)
    restart()
    for session in sessions:
        refund_session(session_id=session.pk, reason="broken plug", idempotency_key=f"refund:{session.pk}")
    restart()

    for step, session in enumerate(sessions, 1):
        now = after(session)
        assert (step, now.refunds, now.lots) == (step, [("succeeded", Decimal("6.20"))], [("cash", Decimal("4.00"))])
        assert (now.kept, now.owed, now.revenue, now.vat) == (0, 0, 0, 0)
    assert_books_hold()
    assert len(sessions) > 20


def test_a_top_up_killed_at_every_step(worker: Worker) -> None:
    """25.00 by card. What the bank took is found by the sweep; the driver sends the form again and pays once."""
    drivers: list[Driver] = []

    def prepare() -> int:
        drivers.append(wallet_driver())
        save_card(drivers[-1])
        work_off_queue()
        return drivers[-1].pk

    killed_at_every_step(worker, "top_up", prepare)
    restart()
    for driver in drivers:
        # Nothing, or all of it: never money at the bank that is not in the wallet.
        assert balance(driver) == sum(taken_from(driver)) == len(taken_from(driver)) * 25
        top_up_of(driver, key=UUID(int=driver.pk))
    restart()

    for step, driver in enumerate(drivers, 1):
        assert (step, balance(driver), taken_from(driver)) == (step, Decimal("25.00"), [Decimal("25.00")])
        assert lots(driver) == [("cash", "card_top_up", Decimal("25.00"))]
    assert cleared() == len(drivers) * 25
    assert_books_hold()
    assert len(drivers) > 12


def taken_from(driver: Driver) -> list[Decimal]:
    """What the bank took for a driver's wallet."""
    payments = FakeProviderObject.objects.filter(
        kind="payment", idempotency_key__startswith=f"driver:{driver.public_id}:top-up:"
    )
    return [Decimal(payment.data["captured"]) for payment in payments]


def test_a_migration_killed_at_every_step(worker: Worker) -> None:
    """Three wallets move to the other contract type and back to the first, killed one step later each time."""
    plain, credit = types()
    drivers = [ada_on(plain, balance) for balance in ("1.10", "2.20", "3.30")]
    step = 0
    ended_by = signal.SIGKILL.value
    while ended_by == signal.SIGKILL:
        step += 1
        source, target = (plain, credit) if step % 2 else (credit, plain)
        migration = confirmed(source, target)
        OrmQ.objects.all().delete()
        ended_by = worker(step, "migrate", migration.pk)
        assert ended_by in (signal.SIGKILL, 0)

        sweep_migrations()

        migration.refresh_from_db()
        assert (step, migration.state, migration.sums["EUR"]["before"], migration.sums["EUR"]["after"]) == (
            step,
            "done",
            "6.60",
            "6.60",
        )
        assert [type_of(driver) for driver in drivers] == [target.code] * 3
        assert Contract.objects.count() == 3 * (step + 1)
        assert ContractMigrationRow.objects.filter(migration=migration, state="migrated").count() == 3
    assert_books_hold()
    assert step > 8
