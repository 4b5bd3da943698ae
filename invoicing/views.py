"""Receipts for the people they are for. Whoever may not read one is told that there is none."""

import logging
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.models import User
from billing.models import Cdr, ChargingSession
from common import clock
from common.errors import VoltledgerError
from invoicing.errors import AlreadyRendered, DocumentDamaged
from invoicing.models import Document
from invoicing.selectors.documents import (
    WAIT_FOR_PAYMENT,
    document_for,
    document_for_reader,
    due_cdrs,
    session_for_reader,
)
from invoicing.services.presentation import present
from invoicing.services.receipts import issue_receipt
from invoicing.services.render import render_document, stored_pdf

logger = logging.getLogger(__name__)

# How soon a waiting page looks again.
LOOK_AGAIN_SECONDS = 3


@require_safe
@login_required
@cache_control(private=True, no_store=True)
def receipt_page(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The receipt as a page, with how it stands with the payment today."""
    document = _document_or_404(request, public_id)
    session = document.cdr.charging_session if document.cdr else None
    addresses = {"pdf_address": reverse("document_pdf", args=[public_id])}
    if session is not None:
        addresses["session_address"] = reverse("session_detail", args=[session.public_id])
    return show_receipt(request, document, **addresses)


def show_receipt(request: HttpRequest, document: Document, **addresses: str) -> HttpResponse:
    """A receipt as a page, for whoever has been found to be its reader; `addresses` are those of its links."""
    session = document.cdr.charging_session if document.cdr else None
    context = {"document": document, "paper": present(document), "session": session, **addresses}
    return render(request, "invoicing/receipt_page.html", context)


@require_safe
@login_required
@cache_control(private=True, no_cache=True)
def receipt_pdf(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The stored PDF; drawn now if its task has not come to it, or a page that waits while another draws it."""
    return serve_pdf(request, _document_or_404(request, public_id))


def serve_pdf(request: HttpRequest, wanted: Document) -> HttpResponse:
    """The same, for whoever has been found to be its reader."""
    document: Document | None = wanted
    if not wanted.pdf_digest:
        try:
            document = render_document(document_id=wanted.pk)
        except AlreadyRendered:
            document = Document.objects.get(pk=wanted.pk)
    if document is None:
        return _wait(request, reason="drawing")
    try:
        pdf = stored_pdf(document)
    except DocumentDamaged:
        logger.exception("The stored PDF of %s cannot be served", document.number)
        return _wait(request, reason="damaged", status=503)
    response = HttpResponse(pdf, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{document.number}.pdf"'
    response["X-Content-Type-Options"] = "nosniff"
    response["ETag"] = f'"{document.pdf_digest}"'
    return response


@require_safe
@login_required
@cache_control(private=True, no_store=True)
def receipt_of_session(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Lead to a session's receipt, issuing it now when it is due, or say when it will be."""
    try:
        session = session_for_reader(public_id=public_id, user=_reader(request))
    except ChargingSession.DoesNotExist as error:
        raise Http404 from error
    found = receipt_or_wait(request, session.cdr)
    return redirect("document", public_id=found.public_id) if isinstance(found, Document) else found


def receipt_or_wait(request: HttpRequest, cdr: Cdr) -> Document | HttpResponse:
    """The receipt of a priced session, issued now when it is due, or the page that says when it will be."""
    document = document_for(cdr)
    if document is None and due_cdrs(clock.now()).filter(pk=cdr.pk).exists():
        try:
            document = issue_receipt(cdr_id=cdr.pk)
        except VoltledgerError:
            return _wait(request, reason="stuck", status=409)
    return document or _wait(request, reason="payment", ready_by=cdr.created_at + WAIT_FOR_PAYMENT)


def _wait(request: HttpRequest, *, reason: str, status: int = 202, **context: object) -> HttpResponse:
    context |= {"reason": reason, "look_again_seconds": LOOK_AGAIN_SECONDS}
    return render(request, "invoicing/receipt_wait.html", context, status=status)


def _document_or_404(request: HttpRequest, public_id: UUID) -> Document:
    try:
        return document_for_reader(public_id=public_id, user=_reader(request))
    except Document.DoesNotExist as error:
        raise Http404 from error


def _reader(request: HttpRequest) -> User:
    """The person logged in; `login_required` has turned everybody else away."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user
