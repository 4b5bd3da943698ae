"""Issuing receipts."""

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django_q.tasks import async_task

from billing.models import AdHocSession, Cdr, ChargingSession
from billing.selectors.ad_hoc import link_of
from common.locking import lock_row
from common.states import check_step
from invoicing.domain.lines import PaperLine, RateTotal
from invoicing.errors import NothingToReceipt
from invoicing.models import Document, DocumentLine, DocumentVatTotal
from invoicing.selectors.documents import document_for
from invoicing.services.facts import ReceiptFacts, receipt_facts
from invoicing.services.numbering import allocate_number
from invoicing.services.wording import line_words


@transaction.atomic
def issue_receipt(*, cdr_id: int) -> Document:
    """Freeze the receipt of one billed session under the next number of its seller, and queue its PDF.

    Idempotent: a Cdr has one receipt, which a repeat returns as it is. Totals are the Cdr's, to the cent.
    Locks: the Cdr row, then the NumberSeries row.
    Raises Cdr.DoesNotExist, NothingToReceipt, LinesDoNotAddUp.
    """
    cdr = lock_row(Cdr.objects.filter(pk=cdr_id).select_related("charging_session"))
    issued = document_for(cdr)
    if issued is not None:
        return issued
    if cdr.gross <= 0 or _is_nobodys(cdr.charging_session):
        raise NothingToReceipt
    facts = receipt_facts(cdr)
    document = Document(
        kind=Document.Kind.RECEIPT,
        legal_entity=facts.legal_entity,
        driver=facts.driver,
        cdr=cdr,
        supplied_on=facts.supplied_on,
        currency=cdr.currency,
        net=cdr.net,
        vat=cdr.vat,
        gross=cdr.gross,
        language=facts.language,
        seller=facts.seller,
        buyer=facts.buyer,
    )
    document.content = {**facts.content, "online": settings.SITE_URL + _page_of(document, cdr)}
    document.save()
    _write_lines(document, facts)
    _seal(document)
    async_task("invoicing.tasks.render_document", document.pk)
    if facts.driver is None and facts.buyer["email"]:
        async_task("invoicing.tasks.mail_ad_hoc_receipt", document.pk)
    return document


def _is_nobodys(session: ChargingSession) -> bool:
    """Free for whoever came, and nobody knows who it was."""
    return session.open_access_id is not None and session.driver_id is None


def _page_of(document: Document, cdr: Cdr) -> str:
    order = AdHocSession.objects.filter(charging_session_id=cdr.charging_session_id).first()
    if order is not None:
        return reverse("ad_hoc_receipt", args=[link_of(order)])
    return reverse("document", args=[document.public_id])


def _write_lines(document: Document, facts: ReceiptFacts) -> None:
    with translation.override(document.language):
        DocumentLine.objects.bulk_create(_line(document, seq, line) for seq, line in enumerate(facts.lines, start=1))
    DocumentVatTotal.objects.bulk_create(_vat_total(document, facts.country, total) for total in facts.totals)


def _line(document: Document, seq: int, line: PaperLine) -> DocumentLine:
    return DocumentLine(
        document=document,
        seq=seq,
        kind=line.kind,
        description=line_words(line.kind),
        detail=line.detail,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        vat_percent=line.vat_percent,
        net=line.net,
        gross=line.gross,
    )


def _vat_total(document: Document, country: str, total: RateTotal) -> DocumentVatTotal:
    category = DocumentVatTotal.Category
    return DocumentVatTotal(
        document=document,
        category=category.STANDARD if total.vat_percent else category.ZERO,
        country=country,
        percent=total.vat_percent,
        net=total.net,
        vat=total.vat,
        gross=total.gross,
    )


def _seal(document: Document) -> None:
    """Number and freeze. Last of all, because it holds the series."""
    check_step(Document.TRANSITIONS, document.status, Document.Status.ISSUED)
    allocated = allocate_number(legal_entity=document.legal_entity, kind=document.kind)
    document.status = Document.Status.ISSUED
    document.series = allocated.series
    document.sequence = allocated.sequence
    document.number = allocated.number
    document.issued_at = allocated.issued_at
    document.issued_on = allocated.issued_on
    document.save(update_fields=["status", "series", "sequence", "number", "issued_at", "issued_on"])
