"""Letting go of what is held on a card and not needed: claim, commit, call, record."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django_q.tasks import async_task

from billing.models import ChargingSession, FundingLeg, Hold
from billing.providers.base import ProviderResult
from billing.providers.registry import get_provider
from billing.selectors.payments import OPEN_LEG_STATES
from billing.selectors.undecided import undecided_sessions
from common import clock
from common.locking import lock_row


def release_card_holds(*, session_id: int) -> None:
    """Queue the release of what a session holds on a card, if it does; in the caller's transaction."""
    for hold_id in open_card_holds().filter(charging_session_id=session_id).values_list("pk", flat=True):
        async_task("billing.payment_tasks.release_card_hold", hold_id)


def open_card_holds() -> QuerySet[Hold]:
    return Hold.objects.filter(source=Hold.Source.CARD, status__in=Hold.OPEN)


def holds_to_release(now: datetime) -> QuerySet[Hold]:
    """Holds nobody needs whose release was not asked for yet: the session is decided and no card has to pay for it."""
    return open_card_holds().filter(
        ~_is_undecided(),
        # Nobody is there to confirm it any more.
        ~_has_open_card_leg() | Q(status=Hold.Status.REQUIRES_ACTION),
        release_asked_at=None,
        placed_at__lte=now,
    )


def _is_undecided() -> Exists:
    return Exists(undecided_sessions().filter(pk=OuterRef("charging_session_id")))


def _has_open_card_leg() -> Exists:
    return Exists(
        FundingLeg.objects.filter(
            cdr__charging_session_id=OuterRef("charging_session_id"),
            source=FundingLeg.Source.CARD,
            state__in=OPEN_LEG_STATES,
        )
    )


def lock_hold(hold_id: int) -> Hold:
    """A hold on a card with its session and card, as they are now. Locks: the ChargingSession, then the Hold."""
    lock_row(ChargingSession.objects.filter(holds__pk=hold_id))
    return lock_row(Hold.objects.filter(pk=hold_id).select_related("charging_session", "method"))


@transaction.atomic
def claim_release(*, hold_id: int) -> Hold:
    """Decide whether a hold on a card is let go, and write it down: from then on nothing captures it.

    One the provider was never asked for is released at once. A repeat changes nothing. Locks as `lock_hold`.
    """
    hold = lock_hold(hold_id)
    if not holds_to_release(clock.now()).filter(pk=hold_id).exists():
        return hold
    moment = clock.now()
    hold.release_asked_at = moment
    if hold.sent_at is None:
        hold.status, hold.resolved_at, hold.reread_at = Hold.Status.RELEASED, moment, None
    else:
        hold.reread_at = moment
    hold.save(update_fields=["release_asked_at", "status", "resolved_at", "reread_at"])
    return hold


def ask_to_release(hold: Hold) -> ProviderResult:
    """Have the provider let go of a hold; the answer is what it is now. Raises ProviderUnavailable."""
    return get_provider(provider_of(hold)).release(
        idempotency_key=f"{hold.idempotency_key}:release", reference=hold.provider_reference
    )


def provider_of(hold: Hold) -> str:
    """The provider that keeps the card, and so the hold."""
    return hold.method.provider if hold.method is not None else ""
