"""Background work on documents. Every task may run twice, late, or be lost: the next run finds what is left."""

import logging
import time

from common import clock
from common.errors import VoltledgerError
from invoicing.errors import AlreadyRendered
from invoicing.selectors.documents import due_cdr_ids, to_render
from invoicing.services import ad_hoc_mail, render
from invoicing.services.receipts import issue_receipt

logger = logging.getLogger(__name__)

# A task is killed after 60 s (Q_CLUSTER); one run stops before, the next goes on.
RUN_FOR_SECONDS = 40

SCHEDULES = [
    ("Issue receipts", "invoicing.tasks.issue_due_receipts", 1),
    ("Make missing PDFs", "invoicing.tasks.render_missing_documents", 5),
]


def issue_due_receipts() -> int:
    """Issue a receipt for every billed session that waits for one; the number issued.

    A session whose receipt cannot be issued is logged, does not stop the others, and is named by `verify_books`.
    """
    stop_at = time.monotonic() + RUN_FOR_SECONDS
    issued = 0
    for cdr_id in list(due_cdr_ids(clock.now())):
        if time.monotonic() > stop_at:
            break
        try:
            issue_receipt(cdr_id=cdr_id)
        except VoltledgerError as error:
            logger.error("No receipt for Cdr %s: %s", cdr_id, error.message)
        else:
            issued += 1
    return issued


def render_document(document_id: int) -> None:
    """Make the PDF of one document, unless it exists or is being made."""
    try:
        render.render_document(document_id=document_id)
    except AlreadyRendered:
        return


def mail_ad_hoc_receipt(document_id: int) -> None:
    """Somebody who paid without an account left an address: mail the link to the receipt."""
    ad_hoc_mail.send_receipt_link(document_id=document_id)


def render_missing_documents() -> int:
    """Make the PDFs whose own task was lost; the number made."""
    stop_at = time.monotonic() + RUN_FOR_SECONDS
    made = 0
    for document_id in list(to_render(clock.now()).values_list("pk", flat=True)):
        if time.monotonic() > stop_at:
            break
        render_document(document_id)
        made += 1
    return made
