"""The books hold after receipts were issued and drawn, and name the document that was tampered with."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from billing.services.books import verify
from billing.services.settlement import settle_session
from common import clock
from invoicing.models import Document
from invoicing.selectors.book_checks import CHECKS, ISSUE_WITHIN
from invoicing.services.receipts import issue_receipt
from invoicing.services.render import render_document
from tests.billing.factories import EndedSessionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def documents(settings, tmp_path) -> list[Document]:
    """Three sessions of 10.20, settled, receipted, drawn."""
    settings.MEDIA_ROOT = tmp_path
    result = []
    for _ in range(3):
        cdr = settle_session(session_id=EndedSessionFactory().pk)
        result.append(render_document(document_id=issue_receipt(cdr_id=cdr.pk).pk))
    return result


def findings(later: timedelta = timedelta(0)) -> list[tuple[str, str]]:
    """What the checks of documents find."""
    names = {name for name, _, _ in CHECKS}
    return [(row.check, row.row) for row in verify(clock.now() + later).findings if row.check in names]


def tamper(sql: str, *parameters: int) -> None:
    """Change a row behind every guard's back."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Deferred checks that wait for the commit are of honest rows.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(sql, parameters)
            cursor.execute("SET session_replication_role = DEFAULT")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'invoicing_%'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        cursor.execute(sql, parameters)
        for _, statement in triggers:
            cursor.execute(statement)


def test_honest_books_hold(documents):
    assert findings() == []


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (
            "UPDATE invoicing_document SET gross = 10.21, net = 8.58 WHERE id = %s",
            {"documents_are_their_cdr", "document_lines_sum_to_the_total", "document_vat_sums_to_the_total"},
        ),
        ("UPDATE invoicing_document SET currency = 'CHF' WHERE id = %s", {"documents_are_their_cdr"}),
        (
            "UPDATE invoicing_documentline SET gross = 10.19 WHERE document_id = %s",
            {"document_lines_sum_to_the_total", "document_lines_sum_to_their_rate"},
        ),
        (
            "UPDATE invoicing_documentvattotal SET vat = 1.62, gross = 10.19 WHERE document_id = %s",
            {"document_vat_sums_to_the_total", "document_lines_sum_to_their_rate"},
        ),
        ("UPDATE invoicing_document SET issued_on = '2020-01-01' WHERE id = %s", {"dates_follow_numbers"}),
    ],
)
def test_a_changed_document_is_named(documents, sql, named):
    victim = documents[1]
    tamper(sql, victim.pk)
    assert set(findings()) == {(check, f"document {victim.number}") for check in named}


def test_a_skipped_number_is_named(documents):
    tamper("UPDATE invoicing_numberseries SET last_number = 4")
    year = documents[0].issued_on.year
    assert findings() == [("series_are_gapless", f"number series VL receipt {year}")]


def test_a_removed_document_leaves_a_gap_and_a_session_without_receipt(documents):
    victim = documents[1]
    tamper("DELETE FROM invoicing_documentline WHERE document_id = %s", victim.pk)
    tamper("DELETE FROM invoicing_documentvattotal WHERE document_id = %s", victim.pk)
    tamper("DELETE FROM invoicing_document WHERE id = %s", victim.pk)
    year = victim.issued_on.year
    assert findings(ISSUE_WITHIN + timedelta(minutes=1)) == [
        ("series_are_gapless", f"number series VL receipt {year}"),
        ("sessions_have_their_receipt", f"cdr {victim.cdr_id}"),
    ]


def test_a_changed_or_missing_file_is_named(documents):
    first, second, _ = documents
    with Path(default_storage.path(first.pdf_file)).open("ab") as file:
        file.write(b" ")
    default_storage.delete(second.pdf_file)
    assert findings() == [
        ("files_are_unchanged", f"document {first.number}"),
        ("files_are_unchanged", f"document {second.number}"),
    ]


def test_what_the_sweep_left_lying_is_a_warning():
    cdr = settle_session(session_id=EndedSessionFactory().pk)
    other = issue_receipt(cdr_id=settle_session(session_id=EndedSessionFactory().pk).pk)
    assert findings() == []
    report = verify(clock.now() + timedelta(hours=1))
    late = [row for row in report.findings if row.check in {"sessions_have_their_receipt", "documents_have_their_pdf"}]
    assert [(row.row, row.is_warning) for row in late] == [
        (f"cdr {cdr.pk}", True),
        (f"document {other.number}", True),
    ]


def test_a_net_tariffs_prices_are_shown_with_vat():
    """0.571333333 €/kWh net is 0.679886667 for the person who pays; 15 kWh are 10.20."""
    line = issue_receipt(cdr_id=settle_session(session_id=EndedSessionFactory().pk).pk).lines.get()
    assert (line.quantity, line.unit_price, line.gross) == (Decimal(15), Decimal("0.679887"), Decimal("10.20"))
