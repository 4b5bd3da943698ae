"""One contract in force at any moment; changes follow one another; money stays where it is."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import ContractNotPossible, NoContract
from accounts.models import AuditEvent, Contract, Token
from accounts.selectors.contracts import contract_in_force
from accounts.services.contracts import change_contract
from accounts.services.drivers import enrol_driver
from common import clock
from tests.factories import ContractFactory, ContractTypeFactory, DriverFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_change_ends_one_contract_in_the_moment_the_next_begins():
    old = ContractFactory(starts_at=NEW_YEAR)
    wallet = ContractTypeFactory(wallet=True)
    otto = StaffFactory()

    new = change_contract(
        driver_id=old.driver_id, contract_type_id=wallet.pk, at=JUNE, actor_id=otto.pk, reason="moved to wallet"
    )

    old.refresh_from_db()
    assert (old.ends_at, new.starts_at, new.ends_at) == (JUNE, JUNE, None)
    assert contract_in_force(old.driver_id, JUNE - timedelta(microseconds=1)) == old
    assert contract_in_force(old.driver_id, JUNE) == new
    event = AuditEvent.objects.get(action="contract_changed")
    assert (event.actor, event.reason, event.data["to"]) == (otto, "moved to wallet", wallet.code)


def test_the_same_type_again_changes_nothing():
    contract = ContractFactory(starts_at=NEW_YEAR)
    assert change_contract(driver_id=contract.driver_id, contract_type_id=contract.contract_type_id) == contract
    assert Contract.objects.count() == 1
    assert not AuditEvent.objects.exists()


def test_a_contract_cannot_be_slipped_in_before_one_that_began():
    contract = ContractFactory(starts_at=JUNE)
    with pytest.raises(ContractNotPossible):
        change_contract(driver_id=contract.driver_id, contract_type_id=ContractTypeFactory().pk, at=NEW_YEAR)
    assert list(Contract.objects.all()) == [contract]


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        (JUNE, None),
        (JUNE, JUNE + timedelta(days=1)),
        (NEW_YEAR - timedelta(days=9), None),
        (NEW_YEAR - timedelta(days=9), NEW_YEAR + timedelta(seconds=1)),
    ],
)
def test_the_database_refuses_a_second_contract_in_force(starts_at, ends_at):
    first = ContractFactory(starts_at=NEW_YEAR, ends_at=JUNE + timedelta(days=30))
    with pytest.raises(IntegrityError), transaction.atomic():
        ContractFactory(driver=first.driver, starts_at=starts_at, ends_at=ends_at)
    ContractFactory(driver=first.driver, starts_at=first.ends_at)
    assert Contract.objects.count() == 2


def test_the_database_refuses_to_stretch_a_contract_into_the_next():
    first = ContractFactory(starts_at=NEW_YEAR, ends_at=JUNE)
    ContractFactory(driver=first.driver, starts_at=JUNE)
    with pytest.raises(IntegrityError), transaction.atomic():
        Contract.objects.filter(pk=first.pk).update(ends_at=JUNE + timedelta(seconds=1))


def test_without_a_contract_there_is_a_plain_answer():
    with pytest.raises(NoContract, match="contract"):
        contract_in_force(DriverFactory().pk, clock.now())


@pytest.mark.parametrize(
    "traits",
    [
        {"billing_model": "wallet", "wallet_use": "none"},
        {"billing_model": "postpaid", "wallet_use": "only"},
        {"billing_model": "postpaid", "wallet_use": "draw_first", "self_topup": True},
        {"min_balance_to_start": "-1"},
    ],
)
def test_senseless_contract_types_cannot_be_stored(traits):
    with pytest.raises(IntegrityError), transaction.atomic():
        ContractTypeFactory(**traits)


def test_signing_up_makes_a_driver_with_a_token_and_the_first_contract_once():
    first = ContractTypeFactory(is_default_for_sign_up=True)
    ada = UserFactory(name="Ada")

    driver = enrol_driver(user_id=ada.pk)

    assert enrol_driver(user_id=ada.pk) == driver
    assert contract_in_force(driver.pk, clock.now()).contract_type == first
    token = Token.objects.get(driver=driver)
    assert (token.kind, len(token.id_tag)) == ("app", 20)
