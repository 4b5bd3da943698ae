"""The books hold after a day's work, and `verify_books` says what does not."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.domain.postings import credit, debit, receivable, system
from billing.models import (
    ChargingSession,
    Hold,
    LedgerTransaction,
    Payment,
    ProviderEvent,
)
from billing.providers.base import PaymentState, RefundResult
from billing.selectors.findings import Finding
from billing.services.books import assert_books, register_check, verify
from billing.services.card_refunds import claim_surplus, record_refund_result, retry_refund
from billing.services.ledger import post
from billing.services.settlement import settle_session
from common import clock
from tests.billing.books.days import card_leg, found, tamper
from tests.billing.factories import EndedSessionFactory, eur

pytestmark = pytest.mark.django_db


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
