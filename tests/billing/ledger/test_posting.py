"""The one posting function: balanced, idempotent, chained, and never below a wallet's means."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.errors import Unbalanced
from billing.domain.postings import credit, debit, receivable, system, vat_account, wallet
from billing.errors import InsufficientFunds
from billing.models import LedgerAccount, LedgerEntry, LedgerTransaction
from billing.services.accounts import receivable_account, system_account, wallet_account
from billing.services.ledger import post
from common.errors import IdempotencyConflict
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2025, 6, 16, 12, tzinfo=UTC)
BANK = system("bank_clearing", "EUR")


@pytest.fixture
def ada():
    return DriverFactory()


def pay_in(driver, amount="10.00", **changes):
    terms: dict[str, Any] = {
        "idempotency_key": "pay-in:1",
        "event": "wallet_credited",
        "occurred_at": NOON,
        "currency": "EUR",
        "postings": [debit(BANK, Decimal(amount)), credit(wallet(driver.pk, "EUR"), Decimal(amount))],
        "reference": f"driver:{driver.pk}",
    }
    return post(**(terms | changes))


def spend(driver, amount, key):
    return pay_in(
        driver,
        idempotency_key=key,
        postings=[debit(wallet(driver.pk, "EUR"), Decimal(amount)), credit(BANK, Decimal(amount))],
    )


class TestPosting:
    def test_a_wallet_grows_with_credits_and_a_receivable_with_debits(self, ada):
        pay_in(ada)
        post(
            idempotency_key="owed:1",
            event="session_settled",
            occurred_at=NOON,
            currency="EUR",
            postings=[
                debit(receivable(ada.pk, "EUR"), Decimal("11.90")),
                credit(system("revenue_energy", "EUR"), Decimal("10.00")),
                credit(vat_account("DE", Decimal("19.000"), "EUR"), Decimal("1.90")),
            ],
        )
        assert wallet_account(ada.pk, "EUR").posted == Decimal("10.00")
        assert receivable_account(ada.pk, "EUR").posted == Decimal("11.90")
        assert system_account("revenue_energy", "EUR").posted == 0
        assert LedgerAccount.objects.get(key="vat_payable:EUR:DE-19").entries.get().amount == Decimal("1.90")

    def test_an_owners_entries_are_numbered_and_chained_and_the_systems_are_not(self, ada):
        pay_in(ada)
        spend(ada, "4.00", "spend:1")
        first, second = LedgerEntry.objects.filter(account__code="wallet").order_by("sequence")
        assert [(entry.sequence, entry.balance_after) for entry in (first, second)] == [
            (1, Decimal("10.00")),
            (2, Decimal("6.00")),
        ]
        assert (first.previous_hash, second.previous_hash) == ("", first.hash)
        assert wallet_account(ada.pk, "EUR").last_hash == second.hash
        assert set(LedgerEntry.objects.filter(account=system_account("bank_clearing", "EUR")).values_list("hash")) == {
            ("",)
        }

    def test_one_account_twice_in_a_transaction_chains_twice(self, ada):
        purse = wallet(ada.pk, "EUR")
        pay_in(
            ada, postings=[debit(BANK, Decimal("3.00")), credit(purse, Decimal("1.00")), credit(purse, Decimal("2.00"))]
        )
        entries = LedgerEntry.objects.filter(account__code="wallet").order_by("sequence")
        assert [(entry.sequence, entry.balance_after) for entry in entries] == [(1, Decimal(1)), (2, Decimal(3))]


class TestIdempotency:
    def test_the_same_again_returns_what_is_stored_whenever_it_comes(self, ada):
        first = pay_in(ada)
        again = pay_in(ada, occurred_at=NOON + timedelta(days=1), note="again")
        assert (again, again.occurred_at, again.note) == (first, NOON, "")
        assert wallet_account(ada.pk, "EUR").posted == Decimal("10.00")

    def test_the_order_of_postings_and_trailing_zeros_make_no_difference(self, ada):
        first = pay_in(ada)
        postings = [credit(wallet(ada.pk, "EUR"), Decimal("10.0")), debit(BANK, Decimal(10))]
        assert pay_in(ada, postings=postings) == first

    @pytest.mark.parametrize("other", ["amount", "event", "reference", "account"])
    def test_other_content_under_the_same_key_is_refused_and_changes_nothing(self, ada, other):
        pay_in(ada)
        purse, elsewhere = wallet(ada.pk, "EUR"), replace(BANK, code="psp_clearing")
        changes: dict[str, dict[str, Any]] = {
            "amount": {"postings": [debit(BANK, Decimal("9.00")), credit(purse, Decimal("9.00"))]},
            "event": {"event": "gift"},
            "reference": {"reference": "driver:0"},
            "account": {"postings": [debit(elsewhere, Decimal(10)), credit(purse, Decimal(10))]},
        }
        with pytest.raises(IdempotencyConflict):
            pay_in(ada, **changes[other])
        assert wallet_account(ada.pk, "EUR").posted == Decimal("10.00")
        assert LedgerTransaction.objects.count() == 1


class TestRefusals:
    def test_what_does_not_balance_is_not_posted(self, ada):
        purse = wallet(ada.pk, "EUR")
        for postings in (
            [debit(BANK, Decimal("10.00")), credit(purse, Decimal("9.99"))],
            [debit(BANK, Decimal("10.00"))],
            [],
            [debit(BANK, Decimal("0.005")), credit(purse, Decimal("0.005"))],
            [debit(BANK, Decimal("-1.00")), credit(purse, Decimal("-1.00"))],
            [debit(replace(BANK, currency="CHF"), Decimal("1.00")), credit(purse, Decimal("1.00"))],
        ):
            with pytest.raises(Unbalanced):
                pay_in(ada, postings=postings)
        assert not LedgerTransaction.objects.exists()
        assert not LedgerAccount.objects.exists()

    def test_a_wallet_is_never_below_zero(self, ada):
        pay_in(ada)
        with pytest.raises(InsufficientFunds):
            spend(ada, "10.01", "spend:1")
        assert wallet_account(ada.pk, "EUR").posted == Decimal("10.00")
        assert LedgerTransaction.objects.count() == 1

    def test_an_overdraft_reaches_as_far_as_it_was_granted(self, ada):
        pay_in(ada)
        LedgerAccount.objects.filter(code="wallet").update(overdraft=Decimal("5.00"))
        spend(ada, "15.00", "spend:1")
        assert wallet_account(ada.pk, "EUR").posted == Decimal("-5.00")
        with pytest.raises(InsufficientFunds):
            spend(ada, "0.01", "spend:2")


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1"), ("KWD", "0.001"), ("EUR", "0.01")])
def test_the_smallest_amount_of_each_currency_can_be_posted(ada, currency, amount):
    owner, bank = wallet(ada.pk, currency), system("bank_clearing", currency)
    pay_in(ada, currency=currency, postings=[debit(bank, Decimal(amount)), credit(owner, Decimal(amount))])
    assert wallet_account(ada.pk, currency).posted == Decimal(amount)
    with pytest.raises(Unbalanced):
        half = Decimal(amount) / 2
        pay_in(ada, idempotency_key="half", currency=currency, postings=[debit(bank, half), credit(owner, half)])
