"""The books hold after a day's work, and `verify_books` names the row of whatever is tampered with."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.domain.postings import credit, debit, receivable, system
from billing.models import (
    Cdr,
    ChargingSession,
    FundingLeg,
    Hold,
    LedgerTransaction,
    Payment,
    ProviderEvent,
    WalletLot,
)
from billing.providers.base import PaymentState, RefundResult
from billing.selectors.book_checks import CHECKS
from billing.selectors.findings import Finding
from billing.services import books
from billing.services.books import BooksDoNotHold, assert_books, register_check, verify
from billing.services.card_refunds import claim_surplus, record_refund_result, retry_refund
from billing.services.holds import place_hold
from billing.services.ledger import post
from billing.services.legs import mark_leg
from billing.services.lots import expire_lots
from billing.services.settlement import settle_session
from billing.services.wallets import adjust_wallet
from common import clock
from tests.billing.factories import NOON, EndedSessionFactory, eur, fill_wallet
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_billings_own_checks(monkeypatch):
    """Upper apps register theirs; they are tested there."""
    own = {name: books.Check(name, sentence, run) for name, sentence, run in CHECKS}
    monkeypatch.setattr(books, "_checks", own)


@dataclass
class Day:
    """What a day leaves behind."""

    billed: list[ChargingSession] = field(default_factory=list)

    @property
    def cdr(self) -> Cdr:
        """Ada's session with 4.00 in the wallet: 4.00 from it and 6.20 by card, paid."""
        return self.billed[0].cdr


@pytest.fixture
def day() -> Day:
    """Top-ups, an adjustment, an expiry, holds, and sessions of every kind, settled."""
    day = Day()
    credit_session = EndedSessionFactory(contract_type__credit=True)
    fill_wallet(credit_session.driver, "4.00")
    wallet_session = EndedSessionFactory(contract_type__wallet=True)
    fill_wallet(wallet_session.driver, "30.00")
    fill_wallet(wallet_session.driver, "2.00", kind="promo")
    place_hold(
        driver_id=wallet_session.driver_id,
        session_id=wallet_session.pk,
        amount=eur("25.00"),
        expires_at=clock.now() + timedelta(days=2),
        idempotency_key="hold:1",
    )
    card_session = EndedSessionFactory()
    open_session = EndedSessionFactory(contract_type__open_access=True)
    for session in (credit_session, wallet_session, card_session, open_session):
        settle_session(session_id=session.pk)
        day.billed.append(session)
    settle_session(session_id=EndedSessionFactory(used_wh=0).pk)
    settle_session(session_id=EndedSessionFactory(tariff_version=None, tariff_digest="").pk)
    pay_by_card(day.cdr.legs.get(source="card"))
    idle = DriverFactory()
    fill_wallet(idle, "10.00")
    fill_wallet(idle, "5.00", kind="promo", expires_at=NOON)
    adjust_wallet(driver_id=idle.pk, amount=eur("3.00"), reason="entered twice", idempotency_key="adjust:1")
    expire_lots(now=NOON + timedelta(days=1))
    running = EndedSessionFactory(status="active", stopped_at=None, ended_at=None)
    fill_wallet(running.driver, "20.00")
    place_hold(
        driver_id=running.driver_id,
        session_id=running.pk,
        amount=eur("15.00"),
        expires_at=clock.now() + timedelta(days=2),
        idempotency_key="hold:2",
    )
    return day


def pay_by_card(leg: FundingLeg) -> Payment:
    driver = leg.cdr.charging_session.driver
    mark_leg(leg_id=leg.pk, state="attempting")
    mark_leg(leg_id=leg.pk, state="paid")
    posted = post(
        idempotency_key=f"test:leg:{leg.pk}:paid",
        event="card_payment",
        occurred_at=clock.now(),
        currency="EUR",
        postings=[debit(system("psp_clearing", "EUR"), leg.amount), credit(receivable(driver.pk, "EUR"), leg.amount)],
    )
    return Payment.objects.create(
        idempotency_key=f"test:leg:{leg.pk}",
        driver=driver,
        purpose="session",
        funding_leg=leg,
        provider="fake",
        amount=leg.amount,
        currency="EUR",
        status="succeeded",
        finished_at=clock.now(),
        ledger_transaction=posted,
    )


def tamper(sql: str, *parameters) -> None:
    """Change a row behind every guard's back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Pending deferred checks would refuse the ALTER below; they are of honest rows.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            try:
                cursor.execute(sql, parameters)
            finally:
                cursor.execute("SET session_replication_role = DEFAULT")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        try:
            cursor.execute(sql, parameters)
        finally:
            for _, statement in triggers:
                cursor.execute(statement)


def found() -> set[tuple[str, str]]:
    return {(finding.check, finding.row) for finding in verify().errors}


def test_an_empty_database_holds():
    assert verify().findings == []


def test_a_days_work_holds(day):
    assert verify().findings == []
    assert_books()


def test_it_takes_the_same_number_of_queries_whatever_the_rows(day):
    with CaptureQueriesContext(connection) as few:
        verify()
    for _ in range(5):
        settle_session(session_id=EndedSessionFactory().pk)
    with CaptureQueriesContext(connection) as many:
        verify()
    assert len(few) == len(many)


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


def card_leg(day: Day) -> FundingLeg:
    return day.cdr.legs.get(source="card")


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_a_planted_corruption_is_named(day, corruption):
    expected = corruption.expected(day)
    tamper(*corruption.plant(day))
    assert found() == expected
    with pytest.raises(BooksDoNotHold):
        assert_books()


def test_a_guard_that_is_gone_is_named(day):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        on = " ON billing_cdr" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER billing_cdr_no_update{on}")
    assert found() == {("guards_stand", "table billing_cdr")}


def test_a_hold_past_its_deadline_is_named(day):
    hold = Hold.objects.get(idempotency_key="hold:2")
    assert verify(hold.expires_at + timedelta(hours=1)).errors == []
    ChargingSession.objects.filter(pk=hold.charging_session_id).update(
        status="ended", outcome="discarded", ended_at=clock.now()
    )
    errors = verify(hold.expires_at + timedelta(hours=1)).errors
    assert [(finding.check, finding.row) for finding in errors] == [("holds_are_resolved", f"hold {hold.pk}")]


def test_money_the_provider_keeps_too_long_is_a_warning(day):
    report = verify(clock.now() + timedelta(days=15))
    warnings = [finding for finding in report.findings if finding.is_warning]
    assert [(finding.check, finding.row) for finding in warnings] == [
        ("clearing_is_recent", "ledger account psp_clearing:EUR")
    ]


def test_a_leg_that_was_charged_twice_is_a_warning_until_it_is_given_back(day):
    leg = card_leg(day)
    again = Payment.objects.get(funding_leg=leg)
    again.ledger_transaction = post(
        idempotency_key="test:again:paid",
        event="card_payment",
        occurred_at=clock.now(),
        currency="EUR",
        postings=[
            debit(system("psp_clearing", "EUR"), leg.amount),
            credit(receivable(again.driver_id, "EUR"), leg.amount),
        ],
    )
    again.pk, again.idempotency_key, again.attempt = None, "test:again", 2
    again.save()
    warning = ("legs_were_paid_once", f"funding leg {leg.pk}", True)
    assert [(finding.check, finding.row, finding.is_warning) for finding in verify().findings] == [warning]
    given = claim_surplus(payment=again, amount=leg.amount, reason="charged twice")
    assert verify().findings == []
    failed = RefundResult("fake_refund", "", given.idempotency_key, PaymentState.DECLINED, eur("6.20"))
    record_refund_result(refund_id=given.pk, result=failed)
    assert [(finding.check, finding.row, finding.is_warning) for finding in verify().findings] == [warning]
    retry_refund(refund_id=given.pk)
    assert verify().findings == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM billing_payment",
        "UPDATE billing_payment SET amount = amount + 1",
        "UPDATE billing_payment SET currency = 'CHF'",
        "UPDATE billing_payment SET idempotency_key = 'other'",
        "UPDATE billing_payment SET provider = 'other'",
        "UPDATE billing_payment SET funding_leg_id = NULL",
        "UPDATE billing_payment SET driver_id = driver_id + 1",
        "DELETE FROM billing_providerevent",
    ],
)
def test_the_database_keeps_payments_and_what_the_provider_said(day, sql):
    ProviderEvent.objects.create(provider="fake", event_id="1", kind="payment", subject="payment", payload={})
    refusal = pytest.raises(IntegrityError, match=r"keeps its terms|stay")
    with refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert verify().findings == []


def test_an_upper_app_adds_its_own_check():
    register_check("documents", "Every document has its number.", lambda now: [Finding("documents", "receipt 1", "x")])
    assert found() == {("documents", "receipt 1")}


class TestTheCommand:
    def run(self, *arguments: str) -> tuple[str, int]:
        out = StringIO()
        try:
            call_command("verify_books", *arguments, stdout=out)
        except CommandError as error:
            return out.getvalue(), error.returncode
        return out.getvalue(), 0

    def test_it_says_that_all_is_well(self, day):
        text, code = self.run("--json")
        document = json.loads(text)
        assert (code, document["ok"], document["findings"]) == (0, True, [])
        assert {check["rows"] for check in document["checks"]} == {0}

    def test_it_fails_and_names_the_row(self, day):
        tamper("UPDATE billing_fundingleg SET amount = 3.10 WHERE id = %s", card_leg(day).pk)
        text, code = self.run("--json")
        document = json.loads(text)
        assert (code, document["ok"]) == (1, False)
        assert document["findings"] == [
            {
                "check": "legs_are_the_payable",
                "row": f"cdr {day.cdr.pk}",
                "detail": document["findings"][0]["detail"],
                "level": "error",
            },
            {
                "check": "legs_were_paid_once",
                "row": f"funding leg {card_leg(day).pk}",
                "detail": document["findings"][1]["detail"],
                "level": "warning",
            },
        ]
        text, code = self.run()
        assert code == 1
        assert f"    cdr {day.cdr.pk} is 10.2" in text


def test_amounts_are_exact(day):
    assert day.cdr.gross == Decimal("10.20")
    assert LedgerTransaction.objects.filter(event="session_settled").count() == 4
