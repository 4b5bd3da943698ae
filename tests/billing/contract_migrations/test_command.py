"""`manage.py migrate_contracts`: moves a type, prints the sums, and goes on with what was interrupted."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import ContractMigration
from billing.services.migration_running import move_drivers
from common import clock
from tests.billing.books.test_books import tamper
from tests.billing.contract_migrations.world import ada_on, confirmed, type_of, types

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("migrate_contracts", "--from", "plain", "--to", "credit", "--json", *arguments, stdout=out)
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def test_it_moves_everybody_and_prints_the_sums() -> None:
    plain, _ = types()
    drivers = [ada_on(plain, "1.10"), ada_on(plain, "2.20", promo="0.03")]
    document = run()
    assert (document["ok"], document["state"], document["drivers"]["migrated"]) == (True, "done", 2)
    assert document["sums"] == [
        {
            "currency": "EUR",
            "drivers": 2,
            "before": "3.33",
            "after": "3.33",
            "lots_before": "3.33",
            "lots_after": "3.33",
            "equal": True,
        }
    ]
    assert [type_of(driver) for driver in drivers] == ["credit", "credit"]


def test_a_dry_run_leaves_nothing() -> None:
    plain, _ = types()
    ada = ada_on(plain, "1.10")
    document = run("--dry-run")
    assert (document["dry_run"], document["sums"][0]["after"], type_of(ada)) == (True, "1.10", "plain")
    assert not ContractMigration.objects.exists()


def test_it_goes_on_with_what_was_interrupted() -> None:
    plain, credit = types()
    drivers = [ada_on(plain, "1.00") for _ in range(2)]
    migration = confirmed(plain, credit)
    move_drivers(migration_id=migration.pk, driver_ids=[drivers[0].pk])
    assert sorted(type_of(driver) for driver in drivers) == ["credit", "plain"]
    document = run()
    assert (document["migration"], document["drivers"]["migrated"]) == (migration.pk, 2)


def test_it_is_scheduled() -> None:
    plain, _ = types()
    ada = ada_on(plain)
    document = run("--at", (clock.now() + timedelta(days=1)).isoformat())
    assert (document["state"], document["drivers"]["pending"], type_of(ada)) == ("scheduled", 1, "plain")


def test_a_wallet_that_is_not_its_lots_stays_and_fails() -> None:
    plain, _ = types()
    ada, ben = ada_on(plain, "1.00"), ada_on(plain, "2.00")
    tamper("UPDATE billing_walletlot SET remaining = 0.50 WHERE amount = 1")
    with pytest.raises(CommandError) as caught:
        run()
    assert caught.value.returncode == 1
    assert (type_of(ada), type_of(ben)) == ("plain", "credit")


@pytest.mark.parametrize("arguments", [["--to", "nowhere"], ["--at", "tomorrow"], ["--at", "2020-01-01"]])
def test_what_it_cannot_do_is_said(arguments: list[str]) -> None:
    plain, _ = types()
    ada_on(plain)
    with pytest.raises(CommandError):
        run(*arguments)
    assert not ContractMigration.objects.exists()
