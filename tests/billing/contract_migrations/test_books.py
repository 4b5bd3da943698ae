"""`verify_books` names the driver whose migration is tampered with."""

import pytest

from billing.services.books import verify
from tests.billing.books.test_books import tamper
from tests.billing.contract_migrations.world import ada_on, migrated, row_of, types
from tests.billing.factories import fill_wallet

pytestmark = pytest.mark.django_db

CORRUPTIONS = [
    ("balance_after = balance_after - 0.01", {"migrations_kept_balances"}),
    ("lots_after = lots_after + 0.01", {"migrations_kept_balances"}),
    ("balance_before = 9, balance_after = 9, lots_before = 9, lots_after = 9", {"migrated_balances_are_the_ledgers"}),
    ("wallet_entries = 2", {"migrated_balances_are_the_ledgers"}),
    ("new_contract_id = old_contract_id", {"migrated_contracts_meet"}),
]


@pytest.mark.parametrize(("change", "expected"), CORRUPTIONS)
def test_a_planted_corruption_is_named(change: str, expected: set[str]) -> None:
    plain, credit = types()
    ada = ada_on(plain, "4.00")
    migration = migrated(plain, credit)
    fill_wallet(ada, "1.00")
    assert verify().errors == []
    tamper(f"UPDATE billing_contractmigrationrow SET {change}")  # noqa: S608 (our own text)
    findings = verify().errors
    assert {finding.check for finding in findings} == expected
    assert {finding.row for finding in findings} == {f"contract migration {migration.pk}, driver {ada.pk}"}


def test_a_driver_without_a_wallet_had_nothing() -> None:
    plain, credit = types()
    ada = ada_on(plain)
    migrated(plain, credit)
    assert verify().errors == []
    tamper(
        "UPDATE billing_contractmigrationrow SET balance_before = 1, balance_after = 1, lots_before = 1, lots_after = 1"
    )
    assert {finding.check for finding in verify().errors} == {"migrated_balances_are_the_ledgers"}
    assert row_of(ada).wallet_entries is None
