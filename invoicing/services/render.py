"""Drawing the PDF of a document, once."""

import hashlib
from datetime import datetime

import segno
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.text import get_valid_filename

from billing.services.mails import Kind, queue_mail
from common import clock
from invoicing.errors import AlreadyRendered, DocumentDamaged
from invoicing.models import Document
from invoicing.selectors.documents import to_render
from invoicing.services.pdf import html_to_pdf
from invoicing.services.presentation import present


def render_document(*, document_id: int) -> Document | None:
    """Draw, store and seal the PDF of an issued document; None while another process is at it.

    The right to draw is claimed first, so that two never draw the same document; a claim whose holder was killed lapses
    (selectors.documents.CLAIM_LASTS). No lock and no transaction is held while drawing.
    Raises AlreadyRendered: a PDF is made once.
    """
    claimed_at = clock.now()
    if not to_render(claimed_at).filter(pk=document_id).update(pdf_claimed_at=claimed_at):
        if Document.objects.filter(pk=document_id, rendered_at__isnull=False).exists():
            raise AlreadyRendered
        return None
    document = Document.objects.select_related("series", "cdr__charging_session").get(pk=document_id)
    pdf = draw(document)
    digest = hashlib.sha256(pdf).hexdigest()
    file = _store(document, pdf)
    _seal(document, claimed_at, pdf_file=file, pdf_digest=digest)
    return Document.objects.get(pk=document_id)


@transaction.atomic
def _seal(document: Document, claimed_at: datetime, **pdf: str) -> None:
    """Keep the PDF's name and digest, and have it mailed to its driver."""
    mine = Document.objects.filter(pk=document.pk, pdf_claimed_at=claimed_at, pdf_digest="")
    is_new = mine.update(**pdf, rendered_at=clock.now())
    if is_new and document.cdr is not None and document.driver_id is not None:
        queue_mail(
            driver_id=document.driver_id,
            kind=Kind.RECEIPT,
            key=f"document:{document.public_id}:mailed",
            session=document.cdr.charging_session,
        )


def draw(document: Document) -> bytes:
    """The PDF of an issued document. Stores nothing; the same document gives the same bytes."""
    paper = present(document)
    with translation.override(paper.language):
        html = render_to_string(
            "invoicing/receipt_pdf.html",
            {"paper": paper, "qr": _qr(paper.online)},
        )
    return html_to_pdf(html)


def stored_pdf(document: Document) -> bytes:
    """The bytes that were made for a rendered document. Raises DocumentDamaged when the file is gone or is another."""
    try:
        with default_storage.open(document.pdf_file) as file:
            pdf = bytes(file.read())
    except FileNotFoundError as error:
        raise DocumentDamaged from error
    if hashlib.sha256(pdf).hexdigest() != document.pdf_digest:
        raise DocumentDamaged
    return pdf


def _store(document: Document, pdf: bytes) -> str:
    """Keep the file under its seller, year and number. A half-written one of a killed process is left beside it."""
    seller = get_valid_filename(document.legal_entity.document_prefix)
    year = document.issued_on.year if document.issued_on else ""
    name = f"{document.kind}/{seller}/{year}/{get_valid_filename(document.number)}.pdf"
    return str(default_storage.save(name, ContentFile(pdf)))


def _qr(address: str) -> str:
    return str(segno.make(address, error="m", micro=False).svg_data_uri(border=0, dark="#17201c", xmldecl=False))
