"""A PDF is made once, stored once, and what is served is what was made."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction

from invoicing.errors import AlreadyRendered, DocumentDamaged
from invoicing.models import Document
from invoicing.selectors.documents import CLAIM_LASTS, to_render
from invoicing.services.receipts import issue_receipt
from invoicing.services.render import draw, render_document, stored_pdf
from invoicing.tasks import render_missing_documents
from tests.invoicing.builders import bill

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 14, 20, tzinfo=UTC)


@pytest.fixture
def document(settings, tmp_path) -> Document:
    settings.MEDIA_ROOT = tmp_path
    with time_machine.travel(NOW, tick=False):
        return issue_receipt(cdr_id=bill().pk)


def test_the_pdf_is_stored_with_its_digest(document):
    rendered = render_document(document_id=document.pk)
    assert rendered.pdf_file == "receipt/VL/2026/VL-R-2026-000001.pdf"
    with default_storage.open(rendered.pdf_file) as file:
        pdf = file.read()
    assert hashlib.sha256(pdf).hexdigest() == rendered.pdf_digest
    assert stored_pdf(rendered) == pdf == draw(document)


def test_it_is_made_once(document):
    rendered = render_document(document_id=document.pk)
    with pytest.raises(AlreadyRendered):
        render_document(document_id=document.pk)
    for change in ({"pdf_digest": "0" * 64}, {"pdf_file": "other.pdf"}, {"pdf_claimed_at": None}):
        with pytest.raises(DatabaseError, match="made once"), transaction.atomic():
            Document.objects.filter(pk=document.pk).update(**change)
    assert Document.objects.get(pk=document.pk).pdf_digest == rendered.pdf_digest


def test_two_do_not_draw_the_same_document(document):
    """While one has claimed it, another is told to wait; when the first was killed, the claim lapses."""
    with time_machine.travel(NOW, tick=False) as traveller:
        Document.objects.filter(pk=document.pk).update(pdf_claimed_at=NOW)
        assert render_document(document_id=document.pk) is None
        assert render_missing_documents() == 0
        traveller.move_to(NOW + CLAIM_LASTS + timedelta(seconds=1))
        assert render_missing_documents() == 1
    assert Document.objects.get(pk=document.pk).rendered_at == NOW + CLAIM_LASTS + timedelta(seconds=1)


def test_the_half_file_of_a_killed_process_is_not_served(document):
    default_storage.save("receipt/VL/2026/VL-R-2026-000001.pdf", ContentFile(b"%PDF-half"))
    rendered = render_document(document_id=document.pk)
    assert rendered.pdf_file != "receipt/VL/2026/VL-R-2026-000001.pdf"
    assert stored_pdf(rendered) == draw(document)


def test_a_file_that_was_changed_or_lost_is_not_served(document):
    rendered = render_document(document_id=document.pk)
    with Path(default_storage.path(rendered.pdf_file)).open("ab") as stored:
        stored.write(b" ")
    with pytest.raises(DocumentDamaged):
        stored_pdf(rendered)
    default_storage.delete(rendered.pdf_file)
    with pytest.raises(DocumentDamaged):
        stored_pdf(rendered)


def test_nothing_is_left_to_render_afterwards(document):
    assert list(to_render(NOW)) == [document]
    render_document(document_id=document.pk)
    assert not to_render(NOW + timedelta(days=1)).exists()
