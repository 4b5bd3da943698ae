"""Finding documents, and the sessions that still lack theirs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import User
from billing.models import Cdr, ChargingSession
from invoicing.models import Document

# A receipt says how the session was paid. It waits this long for the card's answer, then says what is still to be paid.
WAIT_FOR_PAYMENT = timedelta(minutes=15)
# Whoever claimed a rendering and has not finished by then was killed.
CLAIM_LASTS = timedelta(minutes=2)


def document_for(cdr: Cdr) -> Document | None:
    """The receipt of a Cdr, or None while there is none."""
    return Document.objects.filter(cdr=cdr).first()


def document_for_reader(*, public_id: UUID, user: User) -> Document:
    """An issued document, for its driver or for staff who may view documents.

    Raises Document.DoesNotExist for everybody else: a link that leaked opens nothing, and does not even tell that the
    document exists.
    """
    issued = Document.objects.filter(status=Document.Status.ISSUED).select_related("cdr__charging_session")
    return (issued if may_read_all(user) else issued.filter(driver__user=user)).get(public_id=public_id)


def session_for_reader(*, public_id: UUID, user: User) -> ChargingSession:
    """A priced session whose receipt may not exist yet, under the same rule. Raises ChargingSession.DoesNotExist."""
    priced = ChargingSession.objects.filter(cdr__gross__gt=0).select_related("cdr")
    return (priced if may_read_all(user) else priced.filter(driver__user=user)).get(public_id=public_id)


def may_read_all(user: User) -> bool:
    """Staff with the permission to view documents."""
    return user.is_active and user.is_staff and user.has_perm("invoicing.view_document")


def to_render(now: datetime) -> QuerySet[Document]:
    """Issued documents without a PDF that nobody is rendering. Oldest first."""
    return Document.objects.filter(
        Q(pdf_claimed_at__isnull=True) | Q(pdf_claimed_at__lt=now - CLAIM_LASTS),
        status=Document.Status.ISSUED,
        rendered_at__isnull=True,
    ).order_by("issued_at")


def due_cdr_ids(now: datetime) -> Iterator[int]:
    """Priced Cdrs without a document whose payment is settled, or has had its time. Oldest first; one query."""
    return due_cdrs(now).order_by("pk").values_list("pk", flat=True).iterator()


def due_cdrs(now: datetime) -> QuerySet[Cdr]:
    status = ChargingSession.PaymentStatus
    settled = Q(charging_session__payment_status__in=[status.PAID, status.NOTHING_DUE])
    waited = Q(created_at__lte=now - WAIT_FOR_PAYMENT)
    # Nobody is there to get a receipt of what anybody may have for nothing.
    nobodys = Q(charging_session__open_access__isnull=False, charging_session__driver__isnull=True)
    return Cdr.objects.filter(~nobodys, gross__gt=0, receipt__isnull=True).filter(settled | waited)
