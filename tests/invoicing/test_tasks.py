"""The sweep issues what is due, and only that."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.utils.module_loading import import_string

from accounts.services.profile import change_profile
from billing.mail_tasks import send_mail
from billing.models import DriverMail
from invoicing.models import Document
from invoicing.selectors.documents import WAIT_FOR_PAYMENT
from invoicing.tasks import SCHEDULES, issue_due_receipts, render_document, render_missing_documents
from tests.invoicing.builders import Leg, Line, bill

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 14, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def test_a_paid_session_gets_its_receipt_at_the_next_run():
    cdr = bill()
    assert issue_due_receipts() == 1
    assert cdr.receipt.number == "VL-R-2026-000001"
    assert issue_due_receipts() == 0


def test_an_unpaid_one_waits_for_the_card_and_not_for_ever(clock):
    cdr = bill(legs=(Leg("wallet_cash", "4.00"), Leg("card", "6.20", "due")), created_at=NOW)
    clock.move_to(NOW + WAIT_FOR_PAYMENT - timedelta(seconds=1))
    assert issue_due_receipts() == 0
    clock.move_to(NOW + WAIT_FOR_PAYMENT)
    assert issue_due_receipts() == 1
    assert [(row["amount"], row["state"]) for row in cdr.receipt.content["payment"]] == [
        ("4.0000", "paid"),
        ("6.2000", "due"),
    ]


def test_a_free_session_never_gets_one():
    bill(lines=(), vat_totals=(), legs=())
    assert issue_due_receipts() == 0


def test_one_that_cannot_be_issued_does_not_stop_the_others(caplog):
    wrong = bill(lines=(Line("ENERGY", "18.4", "kWh", "0.60"),))
    bill()
    assert issue_due_receipts() == 1
    assert f"No receipt for Cdr {wrong.pk}" in caplog.text
    assert Document.objects.get().number == "VL-R-2026-000001"


def test_the_queued_task_makes_the_pdf_and_may_come_twice():
    bill()
    issue_due_receipts()
    document = Document.objects.get()
    render_document(document.pk)
    digest = Document.objects.get().pdf_digest
    assert len(digest) == 64
    render_document(document.pk)
    assert Document.objects.get().pdf_digest == digest


def test_schedules_name_tasks_that_exist():
    assert [(import_string(function), minutes) for _, function, minutes in SCHEDULES] == [
        (issue_due_receipts, 1),
        (render_missing_documents, 5),
    ]


class TestMailed:
    """The receipt goes out with its PDF once it is drawn."""

    def test_once_with_the_pdf_and_the_link(self):
        bill(legs=(Leg("wallet_cash", "4.00"), Leg("card", "6.20")))
        issue_due_receipts()
        document = Document.objects.get()
        for _repeat in range(2):
            render_document(document.pk)
            send_mail(DriverMail.objects.get().pk)
        (message,) = mail.outbox
        assert message.subject == "Your receipt VL-R-2026-000001: 10.20 €"
        assert "That costs 10.20 €, including 1.63 € VAT." in message.body
        assert "The receipt is attached." in message.body
        assert document.content["online"] in message.body
        assert [(name, kind, pdf[:4]) for name, pdf, kind in message.attachments] == [
            ("VL-R-2026-000001.pdf", "application/pdf", b"%PDF")
        ]

    def test_not_to_who_does_not_want_it(self):
        cdr = bill()
        change_profile(driver_id=cdr.charging_session.driver_id, values={"wants_receipts_by_mail": False})
        issue_due_receipts()
        render_document(Document.objects.get().pk)
        send_mail(DriverMail.objects.get().pk)
        assert mail.outbox == []
        assert DriverMail.objects.get().status == "dropped"
