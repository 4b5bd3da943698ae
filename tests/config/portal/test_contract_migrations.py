"""A customer's page tells which migration a contract came from, and the wallet stays in view of both sides."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.services.contract_migrations import undo_migration
from billing.services.migration_running import run_undo
from tests.billing.contract_migrations.world import ada_on, migrated, types
from tests.config.portal.staff import browser_of

pytestmark = pytest.mark.django_db


def test_the_contract_history_names_the_migration_and_its_undoing() -> None:
    plain, credit = types()
    ada = ada_on(plain, "4.00")
    migration = migrated(plain, credit)
    otto = browser_of("Owner")
    address = reverse("admin:accounts_driver_change", args=[ada.pk])
    assert f"Contract migration #{migration.pk}, new terms; 4.00\xa0€ kept in the wallet" in (
        otto.get(address).content.decode()
    )
    undo_migration(migration_id=migration.pk, actor_id=None, reason="wrong type")
    run_undo(migration_id=migration.pk)
    assert f"Contract migration #{migration.pk} undone" in otto.get(address).content.decode()


def test_a_frozen_balance_is_seen_by_driver_and_operator() -> None:
    plain, credit = types()
    ada = ada_on(credit, "4.00")
    migrated(credit, plain)
    operator = browser_of("Owner").get(reverse("admin:accounts_driver_change", args=[ada.pk]), {"tab": "wallet"})
    assert "4.00\xa0€" in operator.content.decode()
    browser = Client()
    assert ada.user is not None
    browser.force_login(ada.user)
    page = browser.get(reverse("wallet")).content.decode()
    assert "4.00\xa0€" in page
    assert "The balance stays yours." in page
