"""Moving 10,000 drivers to another contract type on PostgreSQL, with a kill -9 in the middle.

Two worker processes run the migration as the background tasks do. When half of the drivers have moved both are killed,
and two others go on. Counted is the time in which workers were at work, from the word to go to the kill and from the
next word to the end: what each driver costs, commits included, not how long Python takes to start. `cpu_seconds` is the
workers' and that of their database connections, in the same time; on a machine that other work is using, that is the
figure to compare. The preview, before it, is timed by itself.

Each driver has a wallet, every third one promotional credit beside it; one in a hundred is closed and does not move.
Afterwards the sums must be equal and the books in order, or the benchmark fails.

MIGRATION_DRIVERS says how many (default 10000). Uses a database of its own, which is dropped.
"""

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

AIM = 500
WORKERS = 2
BATCH = 500


def run() -> dict[str, Any]:
    """Drivers per second and what the batch proves; a reason instead where it cannot be measured."""
    from django.conf import settings
    from django.test.utils import get_runner, setup_test_environment, teardown_test_environment

    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        return {"skipped": "needs PostgreSQL: set DATABASE_URL"}
    setup_test_environment()
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        return _measure(int(os.environ.get("MIGRATION_DRIVERS", "10000")))
    finally:
        runner.teardown_databases(databases)
        teardown_test_environment()


def _measure(count: int) -> dict[str, Any]:
    from billing.models import ContractMigration
    from billing.selectors.contract_migrations import counts_of, sums_of
    from billing.services.books import assert_books
    from billing.services.contract_migrations import confirm_migration, draft_migration, preview_migration

    source_id, target_id = _write(count)
    migration = draft_migration(source_id=source_id, target_id=target_id)
    started = time.perf_counter()
    preview_migration(migration_id=migration.pk)
    preview_seconds = time.perf_counter() - started
    confirm_migration(migration_id=migration.pk, actor_id=None, reason="benchmark")
    to_move = counts_of(migration)["pending"]

    first = _Shift(migration.pk)
    moved_before_the_kill = first.kill_when_moved(to_move // 2)
    second = _Shift(migration.pk)
    second.wait()

    migration = ContractMigration.objects.get(pk=migration.pk)
    counts = counts_of(migration)
    (sums,) = sums_of(migration)
    assert (migration.state, counts["migrated"], sums.are_equal) == ("done", to_move, True)
    assert_books()
    seconds = first.seconds + second.seconds
    return {
        "aim": AIM,
        "drivers": to_move,
        "drivers_per_second": round(to_move / seconds),
        "drivers_per_cpu_second": round(to_move / (first.cpu_seconds + second.cpu_seconds)),
        "workers": WORKERS,
        "moved_before_the_kill": moved_before_the_kill,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(first.cpu_seconds + second.cpu_seconds, 1),
        "preview_seconds": round(preview_seconds, 1),
        "did_not_move": counts["blocked"],
        "sum_before": str(sums.before),
        "sum_after": str(sums.after),
        "sums_equal": sums.are_equal,
    }


class _Shift:
    """Worker processes on one migration, from the word to go until they are done or killed."""

    def __init__(self, migration_id: int) -> None:
        self.migration_id = migration_id
        self.workers = [self._started() for _ in range(WORKERS)]
        self.backends = [int(self._answer(worker)) for worker in self.workers]
        self.cpu_at_start = self._cpu()
        self.cpu_seconds = self.seconds = 0.0
        self.began = time.perf_counter()
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()

    def _started(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.migration", str(self.migration_id)],
            env=os.environ | {"DATABASE_URL": _database_url()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _answer(self, worker: "subprocess.Popen[str]") -> str:
        assert worker.stdout is not None
        return worker.stdout.readline().strip()

    def _cpu(self) -> float:
        return sum(_cpu_seconds(pid) for pid in [*self.backends, *(worker.pid for worker in self.workers)])

    def _stop_the_clock(self) -> None:
        self.seconds = time.perf_counter() - self.began
        self.cpu_seconds = self._cpu() - self.cpu_at_start

    def kill_when_moved(self, wanted: int) -> int:
        """kill -9 as soon as so many drivers have moved; how many that were in the end."""
        while _moved(self.migration_id) < wanted:
            time.sleep(0.02)
        self._stop_the_clock()
        for worker in self.workers:
            worker.kill()
        assert {worker.wait() for worker in self.workers} == {-signal.SIGKILL}
        return _moved(self.migration_id)

    def wait(self) -> None:
        assert {self._answer(worker) for worker in self.workers} == {"done"}
        self._stop_the_clock()
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.close()
            assert worker.wait() == 0


def _moved(migration_id: int) -> int:
    from billing.models import ContractMigrationRow

    return ContractMigrationRow.objects.filter(migration_id=migration_id, state="migrated").count()


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process on this machine; 0 for one that runs elsewhere, as a remote server's."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _database_url() -> str:
    from django.db import connection

    database = connection.settings_dict
    login = database["USER"] + (f":{database['PASSWORD']}" if database["PASSWORD"] else "")
    return f"postgres://{login}@{database['HOST'] or '127.0.0.1'}:{database['PORT'] or 5432}/{database['NAME']}"


def _write(count: int) -> tuple[int, int]:
    """Drivers on one contract type, with wallets as the ledger posts them; the type they leave and the one they get."""
    from django.db import connection

    from accounts.models import Contract, Driver
    from tests.factories import LONG_AGO, ContractTypeFactory

    source, target = ContractTypeFactory(), ContractTypeFactory(credit=True)
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        drivers = Driver.objects.bulk_create(
            Driver(name=f"Ada {number}", status="active" if number % 100 else "closed") for number in numbers
        )
        Contract.objects.bulk_create(
            Contract(driver=driver, contract_type=source, starts_at=LONG_AGO) for driver in drivers
        )
        _fill(drivers, "cash", "bank_clearing")
        _fill([driver for driver in drivers if driver.pk % 3 == 0], "promo", "promo_expense")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return source.pk, target.pk


def _fill(drivers: list[Any], kind: str, contra: str) -> None:
    """One lot for each, posted together."""
    from django.db import transaction

    from billing.domain.plan import plan_posting
    from billing.domain.postings import credit, debit, system, wallet
    from billing.models import LedgerTransaction, WalletLot
    from billing.services.accounts import lock_accounts
    from billing.services.ledger_writer import write_posting
    from common import clock

    wallets = {driver.pk: wallet(driver.pk, "EUR") for driver in drivers}
    other_side = system(contra, "EUR")
    with transaction.atomic():
        accounts = lock_accounts([other_side, *wallets.values()])
        lots = []
        for driver_id, account in wallets.items():
            amount = Decimal(100 + driver_id % 5000) / 100
            plan = plan_posting(
                idempotency_key=f"bench:{kind}:{driver_id}",
                event="wallet_credited",
                occurred_at=clock.now(),
                currency="EUR",
                postings=[debit(other_side, amount), credit(account, amount)],
                accounts=accounts,
                reference=f"driver:{driver_id}",
                note="benchmark",
            )
            posted: LedgerTransaction | None = write_posting(plan)
            assert posted is not None
            lots.append(
                WalletLot(
                    account_id=accounts[account.key].id,
                    ledger_transaction=posted,
                    kind=kind,
                    origin="operator" if kind == "cash" else "gift",
                    amount=amount,
                    remaining=amount,
                )
            )
        WalletLot.objects.bulk_create(lots)


def _work(migration_id: int) -> None:
    """Say which database connection is ours, wait for the word, move whoever is left."""
    from django.db import connection

    from billing.services.migration_running import run_migration

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        print(cursor.fetchone()[0], flush=True)
    sys.stdin.readline()
    run_migration(migration_id=migration_id)
    print("done", flush=True)
    # The clock is read while this process and its connection are still there.
    sys.stdin.readline()


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    _work(int(sys.argv[1]))


if __name__ == "__main__":
    main()
