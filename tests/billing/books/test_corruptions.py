"""Whatever is tampered with behind the guards' back, `verify_books` names its row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from billing.models import Hold, WalletLot
from billing.services.books import BooksDoNotHold, assert_books
from tests.billing.books.days import Day, card_leg, found, tamper

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Corruption:
    """A row changed behind the guards' back, and what must name it."""

    name: str
    plant: Callable[[Day], tuple[Any, ...]]
    expected: Callable[[Day], set[tuple[str, str]]]


def key(day: Day) -> str:
    return day.cdr.ledger_transaction.idempotency_key


def wallet_entry(day: Day):
    return day.cdr.ledger_transaction.entries.get(account__code="wallet")


def revenue_entry(day: Day):
    return day.cdr.ledger_transaction.entries.get(account__code="revenue_energy")


CORRUPTIONS = [
    Corruption(
        "a revenue entry is made larger",
        lambda day: ("UPDATE billing_ledgerentry SET amount = amount + 1 WHERE id = %s", revenue_entry(day).pk),
        lambda day: {
            ("transactions_sum_to_zero", f"ledger transaction {key(day)}"),
            ("transactions_are_unchanged", f"ledger transaction {key(day)}"),
            ("postings_are_the_cdr", f"cdr {day.cdr.pk}"),
        },
    ),
    Corruption(
        "a wallet's balance is raised",
        lambda day: (
            "UPDATE billing_ledgeraccount SET posted = posted + 5 WHERE id = %s",
            wallet_entry(day).account_id,
        ),
        lambda day: {
            ("balances_are_their_entries", f"ledger account {wallet_entry(day).account.key}"),
            ("lots_are_the_balance", f"ledger account {wallet_entry(day).account.key}"),
            ("chains_are_intact", f"ledger account {wallet_entry(day).account.key}"),
        },
    ),
    Corruption(
        "a wallet entry's moment of balance is rewritten",
        lambda day: ("UPDATE billing_ledgerentry SET balance_after = 7 WHERE id = %s", wallet_entry(day).pk),
        lambda day: {
            ("chains_are_intact", f"ledger entry {wallet_entry(day).pk}"),
            ("chains_are_intact", f"ledger account {wallet_entry(day).account.key}"),
        },
    ),
    Corruption(
        "the last entry of a wallet disappears",
        lambda day: ("DELETE FROM billing_ledgerentry WHERE id = %s", wallet_entry(day).pk),
        lambda day: {
            ("transactions_sum_to_zero", f"ledger transaction {key(day)}"),
            ("transactions_are_unchanged", f"ledger transaction {key(day)}"),
            ("postings_are_the_cdr", f"cdr {day.cdr.pk}"),
            ("balances_are_their_entries", f"ledger account {day_wallet(day)}"),
            ("chains_are_intact", f"ledger account {day_wallet(day)}"),
        },
    ),
    Corruption(
        "a transaction is said to be about something else",
        lambda day: ("UPDATE billing_ledgertransaction SET reference = 'x' WHERE idempotency_key = %s", key(day)),
        lambda day: {("transactions_are_unchanged", f"ledger transaction {key(day)}")},
    ),
    Corruption(
        "a lot is refilled",
        lambda day: ("UPDATE billing_walletlot SET remaining = amount WHERE id = %s", day_lot(day).pk),
        lambda day: {
            ("lots_are_the_balance", f"ledger account {day_wallet(day)}"),
            ("lots_gave_what_legs_took", f"wallet lot {day_lot(day).pk}"),
        },
    ),
    Corruption(
        "a lot was larger than what was paid in",
        lambda day: ("UPDATE billing_walletlot SET amount = amount + 1 WHERE id = %s", day_lot(day).pk),
        lambda day: {("lots_were_credited", f"wallet lot {day_lot(day).pk}")},
    ),
    Corruption(
        "a wallet reserves what no hold holds",
        lambda day: (
            "UPDATE billing_hold SET status = 'released', resolved_at = expires_at WHERE idempotency_key = 'hold:2'",
        ),
        lambda day: {("reserved_is_held", f"ledger account {Hold.objects.get(idempotency_key='hold:2').account.key}")},
    ),
    Corruption(
        "a Cdr is made cheaper",
        lambda day: ("UPDATE billing_cdr SET gross = 9, net = 7.56, vat = 1.44 WHERE id = %s", day.cdr.pk),
        lambda day: {
            ("legs_are_the_payable", f"cdr {day.cdr.pk}"),
            ("postings_are_the_cdr", f"cdr {day.cdr.pk}"),
            ("cdr_totals_agree", f"cdr {day.cdr.pk}"),
        },
    ),
    Corruption(
        "a cost line disappears",
        lambda day: ("DELETE FROM billing_costline WHERE cdr_id = %s", day.cdr.pk),
        lambda day: {("cdr_totals_agree", f"cdr {day.cdr.pk}")},
    ),
    Corruption(
        "a funding leg is halved",
        lambda day: ("UPDATE billing_fundingleg SET amount = 3.10 WHERE id = %s", card_leg(day).pk),
        lambda day: {("legs_are_the_payable", f"cdr {day.cdr.pk}")},
    ),
    Corruption(
        "an unpaid leg is said to be paid",
        lambda day: (
            "UPDATE billing_fundingleg SET state = 'paid' WHERE id = %s",
            day.billed[2].cdr.legs.get().pk,
        ),
        lambda day: {
            ("paid_legs_were_paid", f"funding leg {day.billed[2].cdr.legs.get().pk}"),
            ("payment_status_is_the_legs", f"session {day.billed[2].pk}"),
        },
    ),
    Corruption(
        "a session is said to be free although it was billed",
        lambda day: (
            "UPDATE billing_chargingsession SET outcome = 'free', free_rule = 'x' WHERE id = %s",
            day.billed[0].pk,
        ),
        lambda day: {("billed_has_its_cdr", f"session {day.billed[0].pk}")},
    ),
    Corruption(
        "a session goes back to be settled and never is",
        lambda day: ("UPDATE billing_chargingsession SET outcome = 'pending' WHERE id = %s", day.billed[0].pk),
        lambda day: {
            ("billed_has_its_cdr", f"session {day.billed[0].pk}"),
            ("sessions_are_decided", f"session {day.billed[0].pk}"),
        },
    ),
    Corruption(
        "a payment took more than was posted",
        lambda day: ("UPDATE billing_payment SET amount = amount + 1",),
        lambda day: {("payments_are_posted", f"payment test:leg:{card_leg(day).pk}")},
    ),
    Corruption(
        "a payment is gone and its posting stands",
        lambda day: ("DELETE FROM billing_payment",),
        lambda day: {
            ("clearing_has_its_payment", f"ledger transaction test:leg:{card_leg(day).pk}:paid"),
            ("paid_legs_were_paid", f"funding leg {card_leg(day).pk}"),
        },
    ),
    Corruption(
        "an account changes its currency",
        lambda day: ("UPDATE billing_ledgeraccount SET currency = 'CHF' WHERE code = 'open_access_expense'",),
        lambda day: {
            (
                "entries_in_their_currency",
                f"ledger entry {day.billed[3].cdr.ledger_transaction.entries.get(side='debit').pk}",
            )
        },
    ),
]


def day_lot(day: Day) -> WalletLot:
    return day.cdr.legs.get(source="wallet_cash").lot


def day_wallet(day: Day) -> str:
    return day_lot(day).account.key


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_a_planted_corruption_is_named(day, corruption):
    expected = corruption.expected(day)
    tamper(*corruption.plant(day))
    assert found() == expected
    with pytest.raises(BooksDoNotHold):
        assert_books()
