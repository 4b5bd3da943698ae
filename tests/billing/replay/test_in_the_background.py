"""A replay in the background: exact sums however often it is stopped, cancelled, lost or run twice."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from billing.domain.replay import Replay, replay_document, replay_from_document
from billing.errors import NotReplayable, ReplayUnderWay
from billing.models import ChargingSession, ReplayedSession, TariffReplay
from billing.services import tariff_replays
from billing.services.tariff_replays import (
    cancel_replay,
    request_replay,
    restart_replay,
    resume_lost_replays,
    run_replay,
)
from common import clock
from common.errors import BadInput, IdempotencyConflict, InvalidTransition
from tariffs.models import TariffVersion
from tests.billing.factories import NOON
from tests.billing.replay.test_replay import THIRTY_CENTS, billed
from tests.factories import StaffFactory, TariffVersionFactory

pytestmark = pytest.mark.django_db

DAY = {"since": NOON - timedelta(days=1), "until": NOON + timedelta(days=1)}


def draft(document: str = THIRTY_CENTS) -> TariffVersion:
    version: TariffVersion = TariffVersionFactory(document=document, status="draft", published_at=None)
    return version


def asked(version: TariffVersion | None = None, **terms: Any) -> TariffReplay:
    return request_replay(
        version_id=(version or draft()).pk,
        requested_by_id=StaffFactory().pk,
        **{"public_id": uuid.uuid4(), **DAY, **terms},
    )


def gross(replay: TariffReplay) -> tuple[Decimal, Decimal]:
    totals = replay_from_document(replay.result)
    return totals.total.before.gross, totals.total.after.gross


@pytest.fixture
def two_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of two sessions, and no time for a second one: each run prices one chunk."""
    monkeypatch.setattr(tariff_replays, "CHUNK", 2)


def one_chunk(replay: TariffReplay) -> TariffReplay:
    return run_replay(replay_id=replay.pk, seconds=0)


def test_asked_then_done_to_the_cent() -> None:
    billed()
    billed(used_wh=30_000)
    replay = asked()
    assert (replay.state, OrmQ.objects.count() > 0) == ("queued", True)
    replay = run_replay(replay_id=replay.pk)
    assert (replay.state, replay.done_sessions, replay.total_sessions) == ("done", 2, 2)
    assert replay.finished_at is not None
    # As the command has it: 10.20 and 20.40, 5.36 and 10.71.
    assert gross(replay) == (Decimal("30.60"), Decimal("16.07"))
    assert list(replay.sessions.values_list("old_gross", "new_gross")) == [
        (Decimal("10.20"), Decimal("5.36")),
        (Decimal("20.40"), Decimal("10.71")),
    ]


@pytest.mark.usefixtures("two_a_chunk")
def test_progress_chunk_by_chunk_and_the_rest_is_queued() -> None:
    for _ in range(5):
        billed()
    replay = asked()
    seen = []
    for _ in range(3):
        before = OrmQ.objects.count()
        replay = one_chunk(replay)
        seen.append((replay.state, replay.done_sessions, replay.total_sessions, OrmQ.objects.count() - before))
    assert seen == [("running", 2, 5, 1), ("running", 4, 5, 1), ("done", 5, 5, 0)]
    assert gross(replay) == (Decimal("51.00"), Decimal("26.80"))
    assert replay.sessions.count() == 5


@pytest.mark.usefixtures("two_a_chunk")
def test_cancelled_in_the_middle_and_started_again() -> None:
    for _ in range(3):
        billed()
    replay = one_chunk(asked())
    otto = StaffFactory()
    cancelled = cancel_replay(replay_id=replay.pk, actor_id=otto.pk)
    assert (cancelled.state, cancelled.done_sessions) == ("cancelled", 2)
    # A worker that still has it does nothing more.
    assert one_chunk(replay).done_sessions == 2
    assert gross(cancelled) == (Decimal("20.40"), Decimal("10.72"))

    again = restart_replay(replay_id=replay.pk, actor_id=otto.pk)
    assert (again.state, again.done_sessions, again.sessions.count()) == ("queued", 0, 0)
    again = run_replay(replay_id=replay.pk)
    assert (again.state, gross(again)) == ("done", (Decimal("30.60"), Decimal("16.08")))
    assert again.sessions.count() == 3
    with pytest.raises(InvalidTransition):
        restart_replay(replay_id=replay.pk, actor_id=otto.pk)
    with pytest.raises(InvalidTransition):
        cancel_replay(replay_id=replay.pk, actor_id=otto.pk)


@pytest.mark.usefixtures("two_a_chunk")
def test_cancelled_while_a_chunk_is_priced_keeps_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    billed()
    replay = asked()
    priced = tariff_replays._keep

    def cancelled_meanwhile(*arguments: Any, **options: Any) -> bool:
        cancel_replay(replay_id=replay.pk, actor_id=StaffFactory().pk)
        return priced(*arguments, **options)

    monkeypatch.setattr(tariff_replays, "_keep", cancelled_meanwhile)
    found = run_replay(replay_id=replay.pk)
    assert (found.state, found.done_sessions, found.sessions.count()) == ("cancelled", 0, 0)


@pytest.mark.usefixtures("two_a_chunk")
def test_a_lost_run_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        billed()
    replay = one_chunk(asked())
    OrmQ.objects.all().delete()
    assert resume_lost_replays(now=clock.now()) == 0
    assert resume_lost_replays(now=clock.now() + timedelta(minutes=3)) == 1
    assert OrmQ.objects.count() == 1
    # It is queued once, not by every sweep.
    assert resume_lost_replays(now=clock.now() + timedelta(minutes=3)) == 0
    replay = run_replay(replay_id=replay.pk)
    assert (replay.state, gross(replay)) == ("done", (Decimal("30.60"), Decimal("16.08")))


@pytest.mark.usefixtures("two_a_chunk")
def test_two_runs_at_once_count_every_session_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        billed()
    replay = asked()
    kept = tariff_replays._keep
    overtaken: list[bool] = []

    def overtaken_once(*arguments: Any, **options: Any) -> bool:
        if not overtaken:
            overtaken.append(True)
            run_replay(replay_id=replay.pk)
        return kept(*arguments, **options)

    monkeypatch.setattr(tariff_replays, "_keep", overtaken_once)
    found = run_replay(replay_id=replay.pk)
    assert (found.state, found.done_sessions, found.sessions.count()) == ("done", 3, 3)
    assert gross(found) == (Decimal("30.60"), Decimal("16.08"))


def test_a_mistake_of_the_program_fails_it_and_is_raised() -> None:
    billed()
    replay = asked(draft(document="{}"))
    with pytest.raises(BadInput):
        run_replay(replay_id=replay.pk)
    replay.refresh_from_db()
    assert (replay.state, replay.finished_at is not None) == ("failed", True)
    assert restart_replay(replay_id=replay.pk, actor_id=StaffFactory().pk).state == "queued"


def test_the_same_key_asks_once() -> None:
    version, key = draft(), uuid.uuid4()
    first = asked(version, public_id=key)
    assert asked(version, public_id=key) == first
    with pytest.raises(IdempotencyConflict):
        asked(version, public_id=key, own_sessions_only=True)
    assert TariffReplay.objects.count() == 1


def test_what_is_refused() -> None:
    version = draft()
    asked(version)
    with pytest.raises(ReplayUnderWay):
        asked(version)
    with pytest.raises(NotReplayable):
        asked(TariffVersionFactory(document=THIRTY_CENTS, status="withdrawn"))
    with pytest.raises(BadInput):
        asked(draft(), since=DAY["until"], until=DAY["since"])
    assert TariffReplay.objects.count() == 1


def test_only_some_places_days_and_what_the_tariff_priced() -> None:
    one, _other = billed(), billed(used_wh=30_000)
    late = NOON + timedelta(days=9)
    billed(started_at=late)

    def before(**terms: Any) -> Decimal:
        return gross(run_replay(replay_id=asked(**terms).pk))[0]

    assert before() == Decimal("30.60")
    assert before(location_ids=[one.charge_point.location_id]) == Decimal("10.20")
    assert before(until=late + timedelta(seconds=1)) == Decimal("40.80")
    assert one.tariff_version is not None
    assert before(own_sessions_only=True, version=one.tariff_version) == Decimal("10.20")
    assert before(own_sessions_only=True) == 0


def queries_of_a_run(count: int) -> int:
    for _ in range(count):
        billed()
    replay = asked()
    with CaptureQueriesContext(connection) as captured:
        run_replay(replay_id=replay.pk)
    assert replay.sessions.count() == ChargingSession.objects.count()
    return len(captured)


def test_a_chunk_takes_the_same_queries_however_many_sessions() -> None:
    assert queries_of_a_run(2) == queries_of_a_run(5)


def test_sums_survive_being_written_and_read() -> None:
    session = billed()
    ChargingSession.objects.filter(pk=session.pk).update(currency="CHF")
    billed(used_wh=30_000)
    replay = run_replay(replay_id=asked().pk)
    replay.refresh_from_db()
    totals = replay_from_document(replay.result)
    assert replay_from_document(replay_document(totals)) == totals
    assert totals.not_priced["tariff_currency_mismatch"].billed == {"CHF": Decimal("10.20")}
    assert (totals.sessions, totals.winners.sessions, sum(entry[2] for entry in totals.distribution())) == (2, 1, 1)
    assert replay_from_document(replay_document(Replay("JPY"))) == Replay("JPY")
    problem = ReplayedSession.objects.get(charging_session=session)
    assert (problem.new_gross, problem.problem, problem.note) == (None, "tariff_currency_mismatch", "EUR")
