"""Replays asked for in the portal: priced in the background, chunk by chunk, kept so far that a lost run goes on."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from accounts.services import audit
from billing.domain.replay import Replay, replay_document, replay_from_document
from billing.errors import NotReplayable, ReplayUnderWay
from billing.models import ReplayedSession, TariffReplay
from billing.services.replay import ReplayedSession as Replayed
from billing.services.replay import how_many, replay
from billing.services.repricing import CHUNK, Selection
from common import clock
from common.currencies import quantize_amount
from common.errors import BadInput, IdempotencyConflict
from common.locking import lock_row, lock_rows
from common.states import check_step
from tariffs.models import TariffVersion

State = TariffReplay.State
# A task of the queue works this long, then queues the rest, so that other tasks have their turn.
RUN_SECONDS = 10
# Without progress for this long a run is taken for lost.
LOST_AFTER = timedelta(minutes=2)


@transaction.atomic
def request_replay(
    *,
    version_id: int,
    since: datetime,
    until: datetime,
    requested_by_id: int,
    public_id: UUID,
    location_ids: Collection[int] = (),
    own_sessions_only: bool = False,
) -> TariffReplay:
    """Ask what the sessions that began in [since, until) would have cost under a version, and queue the computing.

    Without `location_ids`: everywhere. Idempotent: the same `public_id` with the same terms returns the first replay.
    Locks: the TariffVersion. Raises BadInput, IdempotencyConflict, NotReplayable for a withdrawn version,
    ReplayUnderWay while another replay of it is unfinished.
    """
    if since >= until:
        raise BadInput(_("The time ends before it begins."))
    version = lock_row(TariffVersion.objects.filter(pk=version_id).select_related("tariff"))
    places = set(location_ids)
    known = TariffReplay.objects.filter(public_id=public_id).first()
    if known is not None:
        terms = (known.version_id, known.since, known.until, known.own_sessions_only)
        if terms != (version_id, since, until, own_sessions_only) or _location_ids(known) != places:
            raise IdempotencyConflict
        return known
    _check_replayable(version)
    asked = TariffReplay.objects.create(
        public_id=public_id,
        version=version,
        since=since,
        until=until,
        own_sessions_only=own_sessions_only,
        requested_by_id=requested_by_id,
        result=_nothing_yet(version),
    )
    asked.locations.set(places)
    audit.record(actor_id=requested_by_id, action="tariff_replay_requested", subject=asked)
    _queue(asked.pk)
    return asked


@transaction.atomic
def cancel_replay(*, replay_id: int, actor_id: int) -> TariffReplay:
    """Stop a replay after the chunk that is being priced. A repeat is a no-op.

    Locks: the TariffReplay. Raises InvalidTransition when it is finished.
    """
    asked = lock_row(TariffReplay.objects.filter(pk=replay_id))
    if check_step(TariffReplay.TRANSITIONS, asked.state, State.CANCELLED):
        _finish(asked, State.CANCELLED)
        audit.record(actor_id=actor_id, action="tariff_replay_cancelled", subject=asked)
    return asked


@transaction.atomic
def restart_replay(*, replay_id: int, actor_id: int) -> TariffReplay:
    """Compute a failed or cancelled replay again, from its first session. A repeat is a no-op.

    Locks: the TariffVersion, then the TariffReplay. Raises InvalidTransition, NotReplayable, ReplayUnderWay.
    """
    version_id = TariffReplay.objects.values_list("version_id", flat=True).get(pk=replay_id)
    version = lock_row(TariffVersion.objects.filter(pk=version_id).select_related("tariff"))
    asked = lock_row(TariffReplay.objects.filter(pk=replay_id))
    if not check_step(TariffReplay.TRANSITIONS, asked.state, State.QUEUED):
        return asked
    _check_replayable(version)
    asked.sessions.all().delete()
    asked.state = State.QUEUED
    asked.total_sessions = asked.done_sessions = asked.reached_id = 0
    asked.result = _nothing_yet(version)
    asked.progressed_at = clock.now()
    asked.finished_at = None
    asked.save()
    audit.record(actor_id=actor_id, action="tariff_replay_started_again", subject=asked)
    _queue(asked.pk)
    return asked


def run_replay(*, replay_id: int, seconds: float = RUN_SECONDS) -> TariffReplay:
    """Price the sessions of a replay from where it stands, for `seconds`; then the rest is queued.

    One transaction per chunk. Two runs at once do no harm: a chunk is kept only by the run that began it where the
    replay stands. A mistake of the program leaves the replay failed and is raised; a lost database leaves it to the
    sweep.
    """
    asked = _begin(replay_id)
    if asked.state != State.RUNNING:
        return asked
    try:
        return _run(asked, until=time.monotonic() + seconds)
    except Exception as error:
        if not isinstance(error, DatabaseError):
            _fail(replay_id)
        raise


@transaction.atomic
def resume_lost_replays(*, now: datetime) -> int:
    """Queue again what was queued or running and has made no progress for LOST_AFTER. Locks: these TariffReplays."""
    lost = lock_rows(TariffReplay.objects.filter(state__in=TariffReplay.UNFINISHED, progressed_at__lt=now - LOST_AFTER))
    for asked in lost:
        asked.progressed_at = now
        _queue(asked.pk)
    TariffReplay.objects.bulk_update(lost, ["progressed_at"])
    return len(lost)


def _run(asked: TariffReplay, *, until: float) -> TariffReplay:
    totals = replay_from_document(asked.result)
    sessions = replay(document=asked.version.document, selection=_selection(asked), after_id=asked.reached_id)
    reached_id, state = asked.reached_id, asked.state
    while state == State.RUNNING:
        chunk = list(islice(sessions, CHUNK))
        for one in chunk:
            totals.add(one.repriced, location=one.location, customer_group=one.customer_group)
        is_last = len(chunk) < CHUNK
        is_pause = not is_last and time.monotonic() >= until
        if not _keep(asked.pk, reached_id, chunk, totals, is_last=is_last, is_pause=is_pause) or is_last or is_pause:
            break
        reached_id = chunk[-1].repriced.past.session_id
    return TariffReplay.objects.get(pk=asked.pk)


def _begin(replay_id: int) -> TariffReplay:
    """Locks: the TariffReplay. Counting what there is to do may take a moment, so it is done before."""
    asked = TariffReplay.objects.select_related("version").get(pk=replay_id)
    if asked.state != State.QUEUED:
        return asked
    total = how_many(_selection(asked))
    with transaction.atomic():
        now = lock_row(TariffReplay.objects.filter(pk=replay_id).select_related("version"))
        if now.state == State.QUEUED:
            now.state = State.RUNNING
            now.total_sessions = total
            now.progressed_at = clock.now()
            now.save(update_fields=["state", "total_sessions", "progressed_at"])
    return now


@transaction.atomic
def _keep(
    replay_id: int, begun_at: int, chunk: Sequence[Replayed], totals: Replay, *, is_last: bool, is_pause: bool
) -> bool:
    """Keep a chunk that was begun behind session `begun_at`; False when it is no longer wanted there.

    Locks: the TariffReplay.
    """
    asked = lock_row(TariffReplay.objects.filter(pk=replay_id))
    if asked.state != State.RUNNING or asked.reached_id != begun_at:
        return False
    ReplayedSession.objects.bulk_create(_row(replay_id, one) for one in chunk)
    if chunk:
        asked.reached_id = chunk[-1].repriced.past.session_id
    asked.done_sessions = totals.sessions
    # Sessions may have been billed since they were counted.
    asked.total_sessions = totals.sessions if is_last else max(asked.total_sessions, totals.sessions)
    asked.result = replay_document(totals)
    asked.progressed_at = clock.now()
    asked.save()
    if is_last:
        _finish(asked, State.DONE)
    elif is_pause:
        _queue(replay_id)
    return True


@transaction.atomic
def _fail(replay_id: int) -> None:
    """Locks: the TariffReplay."""
    asked = lock_row(TariffReplay.objects.filter(pk=replay_id))
    if asked.state in TariffReplay.UNFINISHED:
        _finish(asked, State.FAILED)


def _finish(asked: TariffReplay, state: str) -> None:
    asked.state = state
    asked.finished_at = clock.now()
    asked.save(update_fields=["state", "finished_at"])


def _queue(replay_id: int) -> None:
    async_task("billing.replay_tasks.run_replay", replay_id)


def _check_replayable(version: TariffVersion) -> None:
    if version.status == TariffVersion.Status.WITHDRAWN:
        raise NotReplayable
    if version.replays.filter(state__in=TariffReplay.UNFINISHED).exists():
        raise ReplayUnderWay


def _nothing_yet(version: TariffVersion) -> dict[str, object]:
    return replay_document(Replay(version.tariff.currency))


def _location_ids(asked: TariffReplay) -> set[int]:
    return set(asked.locations.values_list("pk", flat=True))


def _selection(asked: TariffReplay) -> Selection:
    return Selection(
        since=asked.since,
        until=asked.until,
        location_ids=_location_ids(asked) or None,
        tariff_id=asked.version.tariff_id if asked.own_sessions_only else None,
    )


def _row(replay_id: int, one: Replayed) -> ReplayedSession:
    past, payable = one.repriced.past, one.repriced.payable
    return ReplayedSession(
        replay_id=replay_id,
        charging_session_id=past.session_id,
        location=one.location,
        customer_group=one.customer_group,
        currency=past.currency,
        old_gross=quantize_amount(past.billed.gross, past.currency),
        new_gross=payable.gross if payable else None,
        problem=one.repriced.problem,
        note=one.repriced.note[:200],
    )
