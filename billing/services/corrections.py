"""Correcting a tariff as of a past moment: preview, then approval by somebody else."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Sum
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from accounts.services import audit
from billing.domain.repricing import Repriced
from billing.errors import CorrectionsOverlap, OwnApproval, ReasonMissing
from billing.models import FundingLeg, PriceCorrection, SessionCorrection
from billing.services.repricing import CHUNK, Selection, reprice
from common import clock
from common.errors import BadInput
from common.locking import lock_row
from common.money import quantize_amount
from common.states import check_step
from tariffs.domain.ocpi import canonical_json, digest, parse_tariff_text
from tariffs.models import Tariff

State = PriceCorrection.State
ItemState = SessionCorrection.State
UNFINISHED = (State.DRAFT, State.PREVIEWED, State.APPROVED)


@transaction.atomic
def draft_correction(
    *, tariff_id: int, ocpi_text: str, since: datetime, until: datetime, reason: str, author_id: int
) -> PriceCorrection:
    """Say what a tariff should have been for the sessions that began in [since, until), and queue the preview.

    Nothing changes for anybody until it is approved. One correction of a tariff and time is unfinished at a time.
    Locks: the Tariff. Raises ReasonMissing, BadInput with every defect, CorrectionsOverlap.
    """
    if not reason.strip():
        raise ReasonMissing
    tariff = lock_row(Tariff.objects.filter(pk=tariff_id))
    spec = parse_tariff_text(ocpi_text)
    _check_terms(tariff, spec.currency, since, until)
    unfinished = PriceCorrection.objects.filter(tariff=tariff, state__in=UNFINISHED, since__lt=until, until__gt=since)
    if unfinished.exists():
        raise CorrectionsOverlap
    correction = PriceCorrection.objects.create(
        tariff=tariff,
        document=canonical_json(spec),
        digest=digest(spec),
        since=since,
        until=until,
        reason=reason[:200],
        author_id=author_id,
    )
    audit.record(actor_id=author_id, action="price_correction_drafted", subject=correction, reason=reason)
    async_task("billing.correction_tasks.preview_correction", correction.pk)
    return correction


def _check_terms(tariff: Tariff, currency: str, since: datetime, until: datetime) -> None:
    defects = []
    if currency != tariff.currency:
        words = _("The prices are in %(given)s, the tariff is in %(wanted)s.")
        defects.append(words % {"given": currency, "wanted": tariff.currency})
    if since >= until:
        defects.append(_("The time ends before it begins."))
    if until > clock.now():
        defects.append(_("The time is not over yet. Publish a new version for what is to come."))
    if defects:
        raise BadInput(" ".join(defects), defects)


def preview_correction(*, correction_id: int) -> PriceCorrection:
    """Price every billed session of the tariff and time again and freeze what would change; a repeat goes on.

    One transaction per chunk, so that a killed worker loses one chunk at most.
    """
    correction = PriceCorrection.objects.get(pk=correction_id)
    if correction.state != State.DRAFT:
        return correction
    reached = correction.sessions.aggregate(last=Max("charging_session_id"))["last"] or 0
    found = reprice(
        selection=Selection(since=correction.since, until=correction.until, tariff_id=correction.tariff_id),
        document=correction.document,
        after_id=reached,
    )
    while chunk := list(islice(found, CHUNK)):
        _freeze(correction_id, chunk)
    return _finish_preview(correction_id)


@transaction.atomic
def _freeze(correction_id: int, chunk: list[Repriced]) -> None:
    """Locks: the PriceCorrection. What another run froze first stands."""
    lock_row(PriceCorrection.objects.filter(pk=correction_id))
    left = _left_by_session([one.past.session_id for one in chunk])
    SessionCorrection.objects.bulk_create(
        (_item(correction_id, one, left.get(one.past.session_id, Decimal(0))) for one in chunk), ignore_conflicts=True
    )


def _left_by_session(session_ids: Iterable[int]) -> dict[int, Decimal]:
    rows = (
        FundingLeg.objects.filter(cdr__charging_session__in=list(session_ids))
        .order_by()
        .values_list("cdr__charging_session_id", "cdr__currency")
        .annotate(open_amount=Sum(F("amount") - F("refunded")))
    )
    return {session_id: quantize_amount(left, currency) for session_id, currency, left in rows}


def _item(correction_id: int, one: Repriced, left: Decimal) -> SessionCorrection:
    """What the correction makes of one session. Dearer is never charged afterwards: what was agreed stands."""
    refund = covered = Decimal(0)
    if one.difference is None:
        state = ItemState.PROBLEM
    elif one.difference < 0:
        state = ItemState.PLANNED
        refund = min(-one.difference, left)
        covered = -one.difference - refund
    else:
        state = ItemState.WAIVED if one.difference else ItemState.UNCHANGED
    return SessionCorrection(
        correction_id=correction_id,
        charging_session_id=one.past.session_id,
        currency=one.past.currency,
        old_gross=one.past.billed.gross,
        new_gross=one.payable.gross if one.payable else None,
        refund=refund,
        covered=covered,
        rating_digest=one.rated.digest if one.rated else "",
        problem=one.problem,
        note=one.note[:200],
        state=state,
    )


@transaction.atomic
def _finish_preview(correction_id: int) -> PriceCorrection:
    """Locks: the PriceCorrection."""
    correction = lock_row(PriceCorrection.objects.filter(pk=correction_id))
    if correction.state == State.DRAFT:
        correction.state = State.PREVIEWED
        correction.previewed_at = clock.now()
        correction.save(update_fields=["state", "previewed_at"])
    return correction


@transaction.atomic
def approve_correction(*, correction_id: int, actor_id: int, reason: str) -> PriceCorrection:
    """Let a previewed correction be applied, and queue that. A repeat is a no-op.

    Locks: the PriceCorrection. Raises ReasonMissing, InvalidTransition, OwnApproval (unless the installation lets
    people approve their own: PRICE_CORRECTION_FOUR_EYES).
    """
    correction = _decide(correction_id, actor_id, reason, State.APPROVED, "price_correction_approved")
    async_task("billing.correction_tasks.apply_correction", correction_id)
    return correction


@transaction.atomic
def reject_correction(*, correction_id: int, actor_id: int, reason: str) -> PriceCorrection:
    """Give a correction up; nothing of it is applied. A repeat is a no-op.

    Locks: the PriceCorrection. Raises ReasonMissing, InvalidTransition.
    """
    return _decide(correction_id, actor_id, reason, State.REJECTED, "price_correction_rejected")


def _decide(correction_id: int, actor_id: int, reason: str, state: str, action: str) -> PriceCorrection:
    if not reason.strip():
        raise ReasonMissing
    correction = lock_row(PriceCorrection.objects.filter(pk=correction_id))
    if not check_step(PriceCorrection.TRANSITIONS, correction.state, state):
        return correction
    if state == State.APPROVED and settings.PRICE_CORRECTION_FOUR_EYES and correction.author_id == actor_id:
        raise OwnApproval
    correction.state = state
    correction.decided_by_id = actor_id
    correction.decided_at = clock.now()
    correction.save(update_fields=["state", "decided_by", "decided_at"])
    audit.record(actor_id=actor_id, action=action, subject=correction, reason=reason)
    return correction
