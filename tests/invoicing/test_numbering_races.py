"""Numbers stay gapless however many issue at once, and whoever is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from invoicing.models import Document, NumberSeries
from invoicing.services.receipts import issue_receipt
from tests.invoicing.builders import ada, bill

THREADS = 16


def at_once(action: Callable[[int], str], ids: Sequence[int]) -> list[str]:
    """Run `action` on every id at the same moment, each on a connection of its own; a refusal is its class's name."""
    barrier = Barrier(len(ids))

    def run(number: int) -> str:
        try:
            barrier.wait(timeout=30)
            return action(number)
        except DatabaseError as error:
            return type(error).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(len(ids)) as pool:
        return list(pool.map(run, ids))


def issue(cdr_id: int) -> str:
    return issue_receipt(cdr_id=cdr_id).number


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_parallel_issuers_leave_no_gap():
    driver = ada()
    cdr_ids = [bill(driver=driver if n == 0 else None).pk for n in range(THREADS)]
    numbers = at_once(issue, cdr_ids)
    year = NumberSeries.objects.get().year
    assert sorted(numbers) == [f"VL-R-{year}-{n:06d}" for n in range(1, THREADS + 1)]
    assert sorted(Document.objects.values_list("sequence", flat=True)) == list(range(1, THREADS + 1))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_numbers_collide():
    series = NumberSeries.objects.get(pk=Document.objects.get(pk=issue_receipt(cdr_id=bill().pk).pk).series_id)
    everybody_has_read = Barrier(THREADS)

    def take_without_lock(_: int) -> str:
        with transaction.atomic():
            mine = NumberSeries.objects.get(pk=series.pk)
            everybody_has_read.wait(timeout=30)
            mine.last_number += 1
            mine.save(update_fields=["last_number"])
            return str(mine.last_number)

    numbers = at_once(take_without_lock, range(THREADS))
    assert numbers.count("2") == 1
    assert numbers.count("IntegrityError") == THREADS - 1  # the guard of the series stops what the lock should have


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_one_session_issued_by_many_has_one_receipt():
    cdr = bill()
    numbers = at_once(issue, [cdr.pk] * THREADS)
    assert len(set(numbers)) == 1
    assert Document.objects.count() == 1
    assert NumberSeries.objects.get().last_number == 1


KILLED_BEFORE_COMMIT = """
import os, signal, sys
import django
django.setup()
from django.db import transaction
from invoicing.services.receipts import issue_receipt
with transaction.atomic():
    document = issue_receipt(cdr_id=int(sys.argv[1]))
    print(document.number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.django_db(transaction=True)
def test_an_issuer_killed_before_commit_leaves_no_gap():
    issue_receipt(cdr_id=bill().pk)
    unlucky, next_one = bill(), bill()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_COMMIT, str(unlucky.pk)],
        env=os.environ | {"DATABASE_URL": this_database(), "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout.strip().endswith("-000002")  # it had its number, and died with it
    assert issue_receipt(cdr_id=next_one.pk).number.endswith("-000002")
    assert issue_receipt(cdr_id=unlucky.pk).number.endswith("-000003")


def this_database() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    credentials = f"{database['USER']}:{database['PASSWORD']}".rstrip(":")
    return f"postgres://{credentials}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"
