"""Settling wallet sessions on PostgreSQL beside pgbench's TPC-B-like transactions on the same server.

together: everything that settling does with sessions that wait, as the sweep does it and as a task does it after a
burst: groups of up to 32 in one transaction that locks the sessions and their drivers' accounts, reads tariffs,
contracts, meter values, lots, holds and system accounts, rates each session, and writes for each a Cdr, its cost line,
the funding leg, the ledger transaction with three entries (wallet, revenue, VAT; hash chain included), the wallet, its
lot, the captured hold and the session; then the commit. Not in it: django-q fetching the task.
Each session is an hour at a 22 kW connector with a register value every five minutes, of one of 1,000
drivers, so that groups seldom wait for one another.

settlement: the same one session at a time, a transaction each.

posting: the part of it that is the ledger's, through the one posting function: lock the wallet, chain and write the
same three entries, move the balance, commit.

pgbench: `-M simple`, its default script, scale 10. All run with the server's own durability settings, one after the
other, with the same number of client processes or connections; ratios are of transactions per second.

`python -m benchmarks.settlement` prints one JSON object. Needs DATABASE_URL to name a PostgreSQL server where databases
may be created, and pgbench; two scratch databases are created and dropped.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

CLIENTS = (1, 2, 8)
ROUNDS = 3
VERBS = ("together", "settle", "post")
PER_ROUND = {
    "together": {1: 640, 2: 1280, 8: 2560},
    "settle": {1: 200, 2: 400, 8: 800},
    "post": {1: 600, 2: 1200, 8: 2400},
}
WARM_UP = 32
PGBENCH_SECONDS = 2
PGBENCH_SCALE = 10
DRIVERS = 1000
METER_VALUES = 12


def run() -> dict[str, Any]:
    """Ratios per client count, and the rates behind them; a reason instead where it cannot be measured."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"] != "django.db.backends.postgresql":
        return {"skipped": "needs PostgreSQL: set DATABASE_URL"}
    pgbench = shutil.which("pgbench")
    if pgbench is None:
        return {"skipped": "needs pgbench: sudo apt-get install -y postgresql-contrib"}
    with _scratch(database, "settlement") as name, _scratch(database, "pgbench") as rival:
        server = _libpq(database)
        _run([pgbench, "-i", "-q", "-s", str(PGBENCH_SCALE), rival], server)
        _inside("prepare", name)
        results = {}
        for verb in VERBS:
            if verb == "post":
                # From here on balances move without lots; what was settled must hold before that.
                _inside("verify", name)
            results[verb] = _beside_pgbench(verb, name, lambda clients: _pgbench(pgbench, rival, clients, server))
    return {"aim": 0.7, "together": results["together"], "settlement": results["settle"], "posting": results["post"]}


def _beside_pgbench(verb: str, name: str, rival: Callable[[int], float]) -> dict[str, Any]:
    """Rounds of both, in turn; medians make the ratios."""
    ours: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    theirs: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    done = 0
    if verb == "settle":
        done = ROUNDS * sum(_units_of("together", clients) for clients in CLIENTS)
    for _ in range(ROUNDS):
        for clients in CLIENTS:
            theirs[clients].append(rival(clients))
            ours[clients].append(_work_off(verb, name, clients, after=done))
            done += _units_of(verb, clients)
    return {
        "ratio_to_pgbench": {
            str(clients): round(statistics.median(ours[clients]) / statistics.median(theirs[clients]), 2)
            for clients in CLIENTS
        },
        "per_second": {str(clients): [round(rate) for rate in ours[clients]] for clients in CLIENTS},
        "pgbench_per_second": {str(clients): [round(rate) for rate in theirs[clients]] for clients in CLIENTS},
    }


@contextmanager
def _scratch(database: dict[str, Any], purpose: str) -> Iterator[str]:
    """An empty database on the same server, dropped afterwards."""
    name = f"bench_{purpose}_{os.getpid()}"
    server = _libpq(database)
    _run(["createdb", name], server)
    try:
        yield name
    finally:
        _run(["dropdb", "--force", name], server)


def _libpq(database: dict[str, Any]) -> dict[str, str]:
    """The environment in which PostgreSQL's own programs reach the same server."""
    wanted = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    return os.environ | {variable: str(database[key]) for variable, key in wanted.items() if database.get(key)}


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def _pgbench(pgbench: str, name: str, clients: int, server: dict[str, str]) -> float:
    command = [pgbench, "-n", "-M", "simple", "-c", str(clients), "-j", "1", "-T", str(PGBENCH_SECONDS), name]
    found = re.search(r"tps = ([0-9.]+)", _run(command, server))
    assert found is not None
    return float(found[1])


def _child_environment(name: str) -> dict[str, str]:
    from django.conf import settings

    database = settings.DATABASES["default"]
    login = database.get("USER", "")
    if database.get("PASSWORD"):
        login += f":{database['PASSWORD']}"
    place = f"{database.get('HOST') or '127.0.0.1'}:{database.get('PORT') or 5432}"
    return os.environ | {"DATABASE_URL": f"postgres://{login}@{place}/{name}"}


def _inside(verb: str, name: str) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks.settlement", verb], env=_child_environment(name), check=True)


def _units_of(verb: str, clients: int) -> int:
    """How many sessions or postings one round with so many clients uses up."""
    return PER_ROUND[verb][clients] + WARM_UP * clients


def _work_off(verb: str, name: str, clients: int, *, after: int) -> float:
    """Sessions or postings per second by `clients` processes, from the common start to the last end."""
    each = PER_ROUND[verb][clients] // clients
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.settlement", verb, str(after), str(each), str(clients), str(index)],
            env=_child_environment(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(clients)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    started = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "done\n"
    spent = time.perf_counter() - started
    assert all(worker.wait() == 0 for worker in workers)
    return each * clients / spent


def _prepare() -> None:
    """Migrate, then write drivers with full wallets and enough ended sessions, each with its hold and meter values."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.models import F

    from billing.models import ChargingSession, Hold, LedgerAccount
    from common import clock
    from tests.billing.factories import EndedSessionFactory, fill_wallet
    from tests.factories import ContractFactory, ContractTypeFactory

    call_command("migrate", verbosity=0)
    contract_type = ContractTypeFactory(wallet=True)
    template = EndedSessionFactory(
        contract_type=contract_type, connector__max_power_w=22_000, outcome="in_review", review_reason="template"
    )
    contracts = [ContractFactory(contract_type=contract_type) for _ in range(DRIVERS)]
    for contract in contracts:
        fill_wallet(contract.driver, "1000000.00")
    wallets = {row.driver_id: row.pk for row in LedgerAccount.objects.filter(code="wallet")}
    count = ROUNDS * sum(_units_of(verb, clients) for verb in ("together", "settle") for clients in CLIENTS)
    sessions = []
    for index in range(count):
        contract = contracts[index % DRIVERS]
        started_at = template.started_at + timedelta(minutes=index + 1)
        sessions.append(
            ChargingSession(
                charge_point=template.charge_point,
                connector=template.connector,
                contract=contract,
                driver_id=contract.driver_id,
                tariff_version=template.tariff_version,
                tariff_digest=template.tariff_digest,
                currency="EUR",
                vat_percent=Decimal(19),
                status="ended",
                started_at=started_at,
                stopped_at=started_at + timedelta(hours=1),
                ended_at=started_at + timedelta(hours=1),
                meter_start_wh=Decimal(1000),
                meter_stop_wh=Decimal(16_000),
            )
        )
    ChargingSession.objects.bulk_create(sessions, batch_size=2000)
    Hold.objects.bulk_create(
        [
            Hold(
                idempotency_key=f"bench:{session.pk}",
                source="wallet",
                charging_session=session,
                account_id=wallets[session.driver_id or 0],
                amount=Decimal(25),
                expires_at=clock.now() + timedelta(days=2),
            )
            for session in sessions
        ],
        batch_size=2000,
    )
    for account_id in wallets.values():
        held = Hold.objects.filter(account_id=account_id).count() * Decimal(25)
        LedgerAccount.objects.filter(pk=account_id).update(pending=F("pending") + held)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_metervalue
                (charging_session_id, occurred_at, reported_at, received_at, measurand, phase, context, value)
            SELECT id, at, at, at, 'energy_wh', '', 'Sample.Periodic', 1000 + step * 1250
            FROM billing_chargingsession, generate_series(1, %s) AS step,
                LATERAL (SELECT started_at + step * interval '5 minutes' AS at) AS moment
            """,
            [METER_VALUES - 1],
        )
        cursor.execute("ANALYZE")


def _work(verb: str, after: int, each: int, clients: int, index: int) -> None:
    """Warm up, say so, wait for the word, do `each` units: every so-many-th of those after the first `after`."""
    from billing.models import ChargingSession
    from billing.services.settlement import GROUP, settle, settle_these

    # The first session is the template of the others.
    sessions = ChargingSession.objects.order_by("pk").values_list("pk", "driver_id")[1 + after :]
    share = list(sessions[: (each + WARM_UP) * clients][index::clients])

    def work(units: list[tuple[int, int]]) -> None:
        if verb == "together":
            for start in range(0, len(units), GROUP):
                settle_these(session_id for session_id, _ in units[start : start + GROUP])
        elif verb == "settle":
            for session_id, _ in units:
                settle(session_id)
        else:
            for session_id, driver_id in units:
                _post(session_id, driver_id)

    work(share[:WARM_UP])
    print("ready", flush=True)
    sys.stdin.readline()
    work(share[WARM_UP:])
    print("done", flush=True)


def _post(session_id: int, driver_id: int) -> None:
    """What settling a session posts, and nothing else of it."""
    from billing.domain.postings import credit, debit, system, vat_account, wallet
    from billing.services.ledger import post
    from common import clock

    post(
        idempotency_key=f"bench:{session_id}",
        event="session_settled",
        occurred_at=clock.now(),
        currency="EUR",
        postings=[
            debit(wallet(driver_id, "EUR"), Decimal("10.20")),
            credit(system("revenue_energy", "EUR"), Decimal("8.57")),
            credit(vat_account("DE", Decimal(19), "EUR"), Decimal("1.63")),
        ],
        reference=str(session_id),
    )


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    verb, *arguments = sys.argv[1:] or ["run"]
    if verb == "prepare":
        _prepare()
    elif verb in VERBS:
        _work(verb, *map(int, arguments))
    elif verb == "verify":
        from billing.services.books import assert_books

        assert_books()
    else:
        print(json.dumps(run(), indent=2))


if __name__ == "__main__":
    main()
