"""What an operator does about a difference with the provider. Each leaves an AuditEvent with its reason.

What the provider says is taken over by the same way a webhook goes; nothing here posts by itself.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from djmoney.money import Money

from accounts.services import audit
from billing.errors import ReasonMissing
from billing.models import Discrepancy
from billing.providers.base import PaymentState, RefundRequest
from billing.providers.registry import get_provider
from billing.selectors.reconciliation import OWN_KEYS
from billing.services.provider_events import follow
from billing.services.reconciliation import recheck
from common import clock
from common.errors import Refused
from common.locking import lock_row
from common.money import quantize

Kind = Discrepancy.Kind
Status = Discrepancy.Status
Subject = Discrepancy.Subject


class DiscrepancySettled(Refused):
    code = "discrepancy_settled"
    sentence = _("This difference is settled already.")


class StillDiffers(Refused):
    code = "discrepancy_still_differs"
    sentence = _(
        "The provider still says something else, and our books cannot follow it. Nothing was posted: look at it at the "
        "provider, and explain it here once it is clear."
    )


class NotForThis(Refused):
    code = "discrepancy_action_not_for_this"
    sentence = _("This cannot be done about a difference of this kind.")


# The provider's state can be taken over where we have the thing, or would find what it belongs to.
ADOPTABLE = (Kind.STATE_DIFFERS, Kind.AMOUNT_DIFFERS, Kind.DUPLICATE_CHARGE, Kind.MISSING_HERE)


def may_adopt(discrepancy: Discrepancy) -> bool:
    """True where taking over the provider's state may settle it. A charge or refund made elsewhere has nothing here."""
    if discrepancy.kind == Kind.MISSING_HERE:
        return discrepancy.subject == Subject.DISPUTE
    return discrepancy.kind in ADOPTABLE


def may_refund(discrepancy: Discrepancy) -> bool:
    """True for a charge nothing of ours explains: its money can be given back without touching our books."""
    return discrepancy.kind == Kind.MISSING_HERE and discrepancy.subject == Subject.PAYMENT


def may_release(discrepancy: Discrepancy) -> bool:
    return discrepancy.kind == Kind.ORPHAN_HOLD


def adopt(*, discrepancy_id: int, actor_id: int, reason: str) -> Discrepancy:
    """Take over what the provider says now, as if its webhook came. What is charged twice goes back by itself.

    Idempotent. Talks to the provider; raises ReasonMissing, DiscrepancySettled, NotForThis, StillDiffers,
    ProviderUnavailable.
    """
    discrepancy = _open(discrepancy_id, reason)
    if not may_adopt(discrepancy):
        raise NotForThis
    subject = Subject.PAYMENT if discrepancy.subject == Subject.HOLD else discrepancy.subject
    follow(get_provider(discrepancy.provider), subject, discrepancy.reference)
    again = recheck(discrepancy=discrepancy)
    if again.status == Status.OPEN and not (
        # It is in our books now, and what was too much is on its way back.
        again.kind == Kind.DUPLICATE_CHARGE and again.our_state == "succeeded"
    ):
        raise StillDiffers
    return _settle(discrepancy_id, Status.ADOPTED, actor_id, reason, was_settled_by_now=True)


def refund_orphan(*, discrepancy_id: int, actor_id: int, reason: str) -> Discrepancy:
    """Give back a charge that is none of ours. It was never in our books, so nothing is posted.

    Sent any number of times it gives back once. Talks to the provider; raises ReasonMissing, DiscrepancySettled,
    NotForThis, ProviderUnavailable, RequestRefused, StillDiffers when the bank declines it.
    """
    discrepancy = _open(discrepancy_id, reason)
    if not may_refund(discrepancy) or discrepancy.their_amount is None:
        raise NotForThis
    result = get_provider(discrepancy.provider).refund(
        RefundRequest(
            f"{OWN_KEYS}{discrepancy.pk}:refund",
            discrepancy.reference,
            quantize(Money(discrepancy.their_amount, discrepancy.currency)),
        )
    )
    if result.state not in (PaymentState.SUCCEEDED, PaymentState.PENDING):
        raise StillDiffers
    return _settle(discrepancy_id, Status.REFUNDED, actor_id, reason)


def release_orphan(*, discrepancy_id: int, actor_id: int, reason: str) -> Discrepancy:
    """Let go of what is held for nothing. Talks to the provider; raises as `refund_orphan`."""
    discrepancy = _open(discrepancy_id, reason)
    if not may_release(discrepancy):
        raise NotForThis
    result = get_provider(discrepancy.provider).release(
        idempotency_key=f"{OWN_KEYS}{discrepancy.pk}:release", reference=discrepancy.reference
    )
    if result.state is not PaymentState.CANCELLED:
        raise StillDiffers
    return _settle(discrepancy_id, Status.RELEASED, actor_id, reason)


def explain(*, discrepancy_id: int, actor_id: int, reason: str) -> Discrepancy:
    """Close a difference that is understood and stays. Raises ReasonMissing, DiscrepancySettled."""
    _open(discrepancy_id, reason)
    return _settle(discrepancy_id, Status.EXPLAINED, actor_id, reason)


def _open(discrepancy_id: int, reason: str) -> Discrepancy:
    if not reason.strip():
        raise ReasonMissing
    discrepancy = Discrepancy.objects.select_related("found_by", "payment", "hold", "refund", "dispute").get(
        pk=discrepancy_id
    )
    if discrepancy.status != Status.OPEN:
        raise DiscrepancySettled
    return discrepancy


@transaction.atomic
def _settle(
    discrepancy_id: int, status: str, actor_id: int, reason: str, *, was_settled_by_now: bool = False
) -> Discrepancy:
    """Locks: the Discrepancy. `was_settled_by_now`: looking again may have closed it."""
    discrepancy = lock_row(Discrepancy.objects.filter(pk=discrepancy_id))
    if discrepancy.status != Status.OPEN and not was_settled_by_now:
        raise DiscrepancySettled
    moment: datetime = clock.now()
    discrepancy.status, discrepancy.resolved_at = status, moment
    discrepancy.actor_id, discrepancy.reason = actor_id, reason[:200]
    discrepancy.save(update_fields=["status", "resolved_at", "actor", "reason"])
    audit.record(
        actor_id=actor_id,
        action=f"discrepancy_{status}",
        subject=discrepancy,
        reason=reason,
        data={"kind": discrepancy.kind, "about": discrepancy.subject, "reference": discrepancy.reference},
    )
    return discrepancy
