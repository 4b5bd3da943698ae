"""Reading disputes: what they keep of payments, and which wait for a person."""

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum

from billing.models import Dispute, Payment

Status = Dispute.Status


def withdrawn_of(payments: Iterable[Payment]) -> dict[int, Decimal]:
    """What disputes have withdrawn of payments and not given back, by payment; those without any are left out."""
    rows = (
        Dispute.objects.filter(payment__in=list(payments))
        .values("payment_id")
        .annotate(kept=Sum(F("withdrawn") - F("reinstated")))
        .filter(kept__gt=0)
    )
    return {row["payment_id"]: row["kept"] for row in rows}


def disputes_to_answer(disputes: QuerySet[Dispute]) -> QuerySet[Dispute]:
    """The work queue: the bank waits for our evidence, or something could not be booked."""
    return disputes.filter(Q(status__in=[Status.INQUIRY, Status.NEEDS_RESPONSE]) | ~Q(problem=""))


def disputes_of(driver_id: int) -> QuerySet[Dispute]:
    """A driver's disputes, newest first, with the payment and session each is of."""
    return Dispute.objects.filter(payment__driver_id=driver_id).select_related(
        "payment__funding_leg__cdr__charging_session", "payment__method"
    )
