"""Past sessions priced again under another tariff: what a correction or a draft would have made of them. Reads only."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from django.db.models import QuerySet

from billing.domain.metering import CHARGING, ENERGY, RATED_MEASURANDS, Metered, Reading
from billing.domain.repricing import Amounts, PastSession, Repriced, price_again
from billing.models import Cdr, CdrRevision, ChargingSession, MeterValue
from billing.selectors.past_inputs import past_inputs
from tariffs.domain.compiled import compile_document
from tariffs.domain.frozen import FrozenInputs

# Sessions read at once: their meter values are what takes memory.
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Selection:
    """Which billed sessions: all criteria together; None leaves one out. [since, until) is about when they started.

    `tariff_id` is the tariff they were priced by, `version_ids` the versions of it.
    """

    since: datetime | None = None
    until: datetime | None = None
    tariff_id: int | None = None
    version_ids: Collection[int] | None = None
    location_ids: Collection[int] | None = None
    driver_id: int | None = None
    session_ids: Collection[int] | None = None


def selected_sessions(selection: Selection) -> QuerySet[ChargingSession]:
    """The billed sessions of a selection, in no order."""
    criteria = {
        "started_at__gte": selection.since,
        "started_at__lt": selection.until,
        "tariff_version__tariff_id": selection.tariff_id,
        "tariff_version_id__in": selection.version_ids,
        "charge_point__location_id__in": selection.location_ids,
        "driver_id": selection.driver_id,
        "pk__in": selection.session_ids,
    }
    return ChargingSession.objects.filter(
        outcome=ChargingSession.Outcome.BILLED,
        **{lookup: value for lookup, value in criteria.items() if value is not None},
    )


def reprice(
    *,
    selection: Selection,
    document: str | None = None,
    chunk_size: int = CHUNK,
    after_id: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Repriced]:
    """Price the billed sessions of `selection` again by the tariff `document`, oldest id first; without one, each by
    its own frozen tariff, which gives what it was billed at first.

    Market prices and the month's energy that another tariff needs and that were not frozen with a session are read as
    of its start from what is stored today (`past_inputs`). Every session yields exactly one Repriced: one that cannot
    be priced says why. Four queries and `chunk_size` sessions in memory at a time, up to three queries more for a
    `document` that follows market prices or counts the month. `after_id` goes on behind a session that was reached
    before; `progress` is told how many sessions are done after each chunk. Raises BadInput for a `document` that is no
    tariff.
    """
    done = 0
    while chunk := _chunk(selection, after_id, chunk_size):
        readings = _readings(chunk, _measurands(document, chunk))
        inputs = _inputs(chunk, document)
        for session in chunk:
            tariff = document if document is not None else _own_document(session)
            yield price_again(_past(session, readings.get(session.pk, []), inputs[session.pk]), tariff)
        done += len(chunk)
        after_id = chunk[-1].pk
        if progress is not None:
            progress(done)


def _chunk(selection: Selection, after_id: int, size: int) -> list[ChargingSession]:
    """The next sessions. First their ids, then they: in one query a database may walk every Cdr to join a few."""
    ids = selected_sessions(selection).filter(pk__gt=after_id).order_by("pk").values_list("pk", flat=True)[:size]
    return list(
        ChargingSession.objects.filter(pk__in=list(ids))
        .select_related("cdr", "charge_point__location", "connector", "tariff_version")
        .prefetch_related("cdr__revisions")
        .order_by("pk")
    )


def _measurands(document: str | None, chunk: list[ChargingSession]) -> tuple[str, ...]:
    """What has to be read of the meters: power and current only where a price depends on them."""
    documents = {document} if document is not None else {_own_document(session) for session in chunk}
    # The thresholds are the same in every time zone.
    tariffs = [compile_document(text, "UTC") for text in documents]
    if any(tariff.power_edges or tariff.current_edges for tariff in tariffs):
        return RATED_MEASURANDS
    return ENERGY, CHARGING


def _readings(chunk: list[ChargingSession], measurands: tuple[str, ...]) -> dict[int, list[Reading]]:
    ended_at = {session.pk: session.ended_at for session in chunk}
    rows = (
        MeterValue.objects.filter(charging_session__in=ended_at, measurand__in=measurands, phase="")
        .order_by("charging_session_id", "occurred_at", "pk")
        .values_list("charging_session_id", "occurred_at", "measurand", "value")
    )
    # What came after the end is kept and not rated. Left out here: a join would read every session for each chunk.
    return {
        session_id: [
            Reading(at, measurand, value)
            for _, at, measurand, value in group
            if (end := ended_at[session_id]) is not None and at <= end
        ]
        for session_id, group in groupby(rows, key=lambda row: row[0])
    }


def _inputs(chunk: list[ChargingSession], document: str | None) -> dict[int, FrozenInputs]:
    """By session id. Months and places are each session's own; a tariff's series is the same in every time zone."""
    if document is None:
        return {session.pk: FrozenInputs.from_json(session.rating_inputs) for session in chunk}
    own = {session.pk: compile_document(_own_document(session), "UTC") for session in chunk}
    return past_inputs(chunk, own=own, other=compile_document(document, "UTC"))


def _past(session: ChargingSession, readings: list[Reading], inputs: FrozenInputs) -> PastSession:
    # The last of them: a correction has its say over what was billed first.
    versions: list[Cdr | CdrRevision] = [session.cdr, *session.cdr.revisions.all()]
    known = versions[-1]
    return PastSession(
        session_id=session.pk,
        public_id=str(session.public_id),
        currency=session.currency,
        vat_percent=session.vat_percent,
        time_zone=session.charge_point.location.time_zone,
        tariff_digest=known.tariff_digest,
        frozen=inputs,
        metered=_metered(session, readings),
        billed=Amounts(known.net, known.vat, known.gross),
    )


def _metered(session: ChargingSession, readings: list[Reading]) -> Metered | None:
    """As settlement reads it, without a query of its own."""
    started_at, ended_at = session.started_at, session.ended_at
    if started_at is None or ended_at is None or session.meter_start_wh is None or session.meter_stop_wh is None:
        return None
    return Metered(
        started_at=started_at.astimezone(UTC),
        ended_at=ended_at.astimezone(UTC),
        stopped_at=session.stopped_at,
        meter_start_wh=session.meter_start_wh,
        meter_stop_wh=session.meter_stop_wh,
        readings=readings,
        rated_power_w=session.connector.max_power_w if session.connector else None,
    )


def _own_document(session: ChargingSession) -> str:
    version = session.tariff_version
    if version is None:
        raise LookupError(f"session {session.pk} is billed and has no tariff")
    return version.document
