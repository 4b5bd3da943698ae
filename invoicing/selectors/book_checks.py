"""The invariants of documents, as set-based queries; billing.services.books runs them with its own.

Each query yields the rows that break it: a label and what is wrong. Amounts are compared rounded to their four places,
because SQLite adds them as doubles.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db import connection

from billing.selectors.findings import Finding
from invoicing.models import Document
from invoicing.selectors.documents import WAIT_FOR_PAYMENT

Run = Callable[[datetime], Iterable[Finding]]

# The schedules run every minute and every five; after this, somebody should look.
ISSUE_WITHIN = WAIT_FOR_PAYMENT + timedelta(minutes=30)
RENDER_WITHIN = timedelta(minutes=30)

_DOCUMENTS_ARE_THEIR_CDR = """
SELECT 'document ' || document.number,
    'says ' || ROUND(document.gross, 4) || ' ' || document.currency || ', its Cdr ' || ROUND(cdr.gross, 4) || ' '
    || cdr.currency
FROM invoicing_document document JOIN billing_cdr cdr ON cdr.id = document.cdr_id
WHERE document.currency <> cdr.currency OR ROUND(document.net - cdr.net, 4) <> 0
    OR ROUND(document.vat - cdr.vat, 4) <> 0 OR ROUND(document.gross - cdr.gross, 4) <> 0
"""

_LINES_SUM_TO_THE_TOTAL = """
SELECT 'document ' || document.number,
    'is of ' || ROUND(document.gross, 4) || ', its lines sum to ' || ROUND(COALESCE(SUM(line.gross), 0), 4)
FROM invoicing_document document LEFT JOIN invoicing_documentline line ON line.document_id = document.id
WHERE document.status = 'issued'
GROUP BY document.id, document.number, document.gross
HAVING ROUND(document.gross - COALESCE(SUM(line.gross), 0), 4) <> 0
"""

_VAT_SUMS_TO_THE_TOTAL = """
SELECT 'document ' || document.number,
    'owes VAT of ' || ROUND(document.vat, 4) || ', its rates sum to ' || ROUND(COALESCE(SUM(rate.vat), 0), 4)
FROM invoicing_document document LEFT JOIN invoicing_documentvattotal rate ON rate.document_id = document.id
WHERE document.status = 'issued'
GROUP BY document.id, document.number, document.net, document.vat
HAVING ROUND(document.net - COALESCE(SUM(rate.net), 0), 4) <> 0
    OR ROUND(document.vat - COALESCE(SUM(rate.vat), 0), 4) <> 0
"""

_LINES_SUM_TO_THEIR_RATE = """
SELECT 'document ' || document.number,
    'taxes ' || ROUND(rate.gross, 4) || ' at ' || ROUND(rate.percent, 3) || ' percent, its lines '
    || ROUND(COALESCE(SUM(line.gross), 0), 4)
FROM invoicing_documentvattotal rate
JOIN invoicing_document document ON document.id = rate.document_id
LEFT JOIN invoicing_documentline line ON line.document_id = rate.document_id AND line.vat_percent = rate.percent
GROUP BY rate.id, rate.gross, rate.percent, document.number
HAVING ROUND(rate.gross - COALESCE(SUM(line.gross), 0), 4) <> 0
"""

# The places in a series are unique, so that as many as the last number, from 1 to it, are all of them.
_SERIES_ARE_GAPLESS = """
SELECT 'number series ' || entity.document_prefix || ' ' || series.kind || ' ' || series.year,
    'gave ' || series.last_number || ' numbers, ' || COUNT(document.id) || ' documents carry one, from '
    || COALESCE(MIN(document.sequence), 0) || ' to ' || COALESCE(MAX(document.sequence), 0)
FROM invoicing_numberseries series
JOIN locations_legalentity entity ON entity.id = series.legal_entity_id
LEFT JOIN invoicing_document document ON document.series_id = series.id
GROUP BY series.id, entity.document_prefix, series.kind, series.year, series.last_number
HAVING COUNT(document.id) <> series.last_number OR COALESCE(MAX(document.sequence), 0) <> series.last_number
    OR (series.last_number > 0 AND MIN(document.sequence) <> 1)
"""

_DATES_FOLLOW_NUMBERS = """
SELECT 'document ' || number, 'is dated ' || issued_on || ', the one before it ' || before_it
FROM (
    SELECT number, issued_on, LAG(issued_on) OVER (PARTITION BY series_id ORDER BY sequence) AS before_it
    FROM invoicing_document WHERE status = 'issued'
) dated
WHERE before_it > issued_on
"""

_SESSIONS_HAVE_THEIR_RECEIPT = """
SELECT 'cdr ' || cdr.id, 'of session ' || cdr.charging_session_id || ' has no receipt'
FROM billing_cdr cdr
JOIN billing_chargingsession session ON session.id = cdr.charging_session_id
LEFT JOIN invoicing_document document ON document.cdr_id = cdr.id
WHERE cdr.gross > 0 AND document.id IS NULL AND cdr.created_at < %s
    AND (session.driver_id IS NOT NULL OR session.open_access_id IS NULL)
"""

_DOCUMENTS_HAVE_THEIR_PDF = """
SELECT 'document ' || number, 'has no PDF'
FROM invoicing_document
WHERE status = 'issued' AND rendered_at IS NULL AND issued_at < %s
"""


def _query(check: str, sql: str, *, older_than: timedelta | None = None) -> Run:
    """A check by one query. With `older_than`, the query takes that moment and what it finds is a warning."""

    def run(now: datetime) -> Iterator[Finding]:
        # SQLite compares moments as text, in the form in which they are stored.
        parameters = [] if older_than is None else [connection.ops.adapt_datetimefield_value(now - older_than)]
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            for row, detail in cursor.fetchall():
                yield Finding(check, row, detail, is_warning=older_than is not None)

    return run


def _damaged_files(now: datetime) -> Iterator[Finding]:
    """Every stored PDF is read; the only proof that a file is the one that was made."""
    rendered = Document.objects.filter(rendered_at__isnull=False).order_by("pk")
    for number, file, digest in rendered.values_list("number", "pdf_file", "pdf_digest").iterator():
        try:
            with default_storage.open(file) as stored:
                found = hashlib.sha256(stored.read()).hexdigest()
        except FileNotFoundError:
            yield Finding("files_are_unchanged", f"document {number}", f"its file {file} is missing")
            continue
        if found != digest:
            yield Finding("files_are_unchanged", f"document {number}", f"its file {file} is not the one that was made")


CHECKS: list[tuple[str, str, Run]] = [
    (
        "documents_are_their_cdr",
        "Net, VAT, gross and currency of every receipt are its Cdr's.",
        _query("documents_are_their_cdr", _DOCUMENTS_ARE_THEIR_CDR),
    ),
    (
        "document_lines_sum_to_the_total",
        "The lines of every document sum to its gross.",
        _query("document_lines_sum_to_the_total", _LINES_SUM_TO_THE_TOTAL),
    ),
    (
        "document_vat_sums_to_the_total",
        "The VAT rates of every document sum to its net and VAT.",
        _query("document_vat_sums_to_the_total", _VAT_SUMS_TO_THE_TOTAL),
    ),
    (
        "document_lines_sum_to_their_rate",
        "The lines of every VAT rate sum to what is taxed at it.",
        _query("document_lines_sum_to_their_rate", _LINES_SUM_TO_THEIR_RATE),
    ),
    (
        "series_are_gapless",
        "Every number of every series is on a document.",
        _query("series_are_gapless", _SERIES_ARE_GAPLESS),
    ),
    (
        "dates_follow_numbers",
        "No document is dated before the one whose number comes before its own.",
        _query("dates_follow_numbers", _DATES_FOLLOW_NUMBERS),
    ),
    ("files_are_unchanged", "Every stored PDF is the one that was made.", _damaged_files),
    (
        "sessions_have_their_receipt",
        "Every session that cost something has its receipt.",
        _query("sessions_have_their_receipt", _SESSIONS_HAVE_THEIR_RECEIPT, older_than=ISSUE_WITHIN),
    ),
    (
        "documents_have_their_pdf",
        "Every issued document has its PDF.",
        _query("documents_have_their_pdf", _DOCUMENTS_HAVE_THEIR_PDF, older_than=RENDER_WITHIN),
    ),
]
