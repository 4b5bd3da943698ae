"""The mail a receipt goes out with."""

from django.utils.translation import gettext as _

from billing.models import DriverMail
from billing.services.mails import Letter, NotNeeded
from invoicing.errors import DocumentDamaged
from invoicing.models import Document
from invoicing.selectors.documents import document_for
from invoicing.services.presentation import present
from invoicing.services.render import stored_pdf

PDF = "application/pdf"


def receipt(mail: DriverMail) -> Letter:
    """What a session cost and how it was paid, in the words of its receipt, with the PDF and the link to it."""
    session = mail.charging_session
    document = document_for(session.cdr) if session is not None else None
    if document is None:
        raise NotNeeded
    if not mail.driver.wants_receipts_by_mail:
        raise NotNeeded(_("The customer does not want receipts by e-mail."))
    paper = present(document)
    return Letter(
        subject=_("Your receipt %(number)s: %(total)s") % {"number": paper.number, "total": paper.total},
        template="receipt",
        context={"paper": paper, "is_attached": bool(document.pdf_digest)},
        link=paper.online,
        link_words=_("Open the receipt"),
        attachments=_attached(document),
    )


def _attached(document: Document) -> tuple[tuple[str, bytes, str], ...]:
    """The stored PDF. One whose file is damaged goes out as a link alone; `verify_books` names it."""
    if not document.pdf_digest:
        return ()
    try:
        return ((f"{document.number}.pdf", stored_pdf(document), PDF),)
    except DocumentDamaged:
        return ()
