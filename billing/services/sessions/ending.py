"""Stops, unplugging, and sessions that never get their stop."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from billing.domain.answers import Directive, StopResult
from billing.domain.meter import RegisterReading, judge_register
from billing.domain.samples import MeterSample
from billing.models import ChargingSession, MeterValue
from billing.services.holds import release_session_holds
from billing.services.rating import staying_costs
from billing.services.sessions.closing import add_doubt, end_session, reopen_for_settlement
from billing.services.sessions.metering import store_samples
from common.locking import lock_rows
from common.states import check_step
from locations.models import Connector

Status = ChargingSession.Status
Outcome = ChargingSession.Outcome
Measurand = MeterValue.Measurand

# A vehicle may stay plugged in this long after charging before somebody has to look.
UNPLUG_WITHIN = timedelta(hours=24)
# A running session not heard of for this long has lost its stop.
SILENT_FOR = timedelta(hours=24)
# Transaction ids stations send when they never got ours; only then is a stop matched by its circumstances.
_LARGEST_ID = 2_147_483_647


@transaction.atomic
def stop_session(
    *,
    charge_point_id: int,
    session_id: int,
    meter_stop_wh: Decimal | None,
    stopped_at: datetime,
    reported_at: datetime,
    received_at: datetime,
    reason: str = "",
    id_tag: str = "",
    samples: Sequence[MeterSample] = (),
    doubt: str = "",
) -> StopResult:
    """Record a stop report (OCPP 1.6, StopTransaction) and end the session, or let it wait for the vehicle to leave.

    The same stop again is acknowledged and changes nothing; a different second stop is parked, the first wins. The
    first stop of a session that was closed without one completes it, and settles it if nothing else is in doubt. A stop
    for a session this charge point does not have is not recognised: the gateway parks the report. Placeholder ids
    (-1, 0, out of range) are matched by tag, time and meter when exactly one running session fits. `doubt` is what the
    caller found wrong with the report: the session ends in review.
    Locks: the session's row.
    """
    reported_at = reported_at.replace(microsecond=0)
    repeated = _stopped_by(charge_point_id, session_id, id_tag, reported_at, meter_stop_wh)
    if repeated is not None:
        return _stop_answer(repeated)
    session = _session_to_stop(charge_point_id, session_id, id_tag, stopped_at, meter_stop_wh)
    if session is None:
        return StopResult(recognised=False, parked=True, reason="unknown_transaction")
    is_late = session.status == Status.ENDED and session.stop_reported_at is None
    if session.status != Status.ACTIVE and not (is_late and session.outcome == Outcome.IN_REVIEW):
        same = meter_stop_wh is None or session.meter_stop_reported_wh == meter_stop_wh
        return _stop_answer(session) if same and not is_late else _stop_answer(session, parked="second_stop_differs")
    store_samples(session, samples, received_at)
    session.stop_reported_at, session.meter_stop_reported_wh = reported_at, meter_stop_wh
    session.stopped_at = max(stopped_at, session.started_at or stopped_at)
    session.stop_reason = reason[:30]
    _accept_register(session, meter_stop_wh)
    add_doubt(session, doubt)
    if stopped_at < (session.started_at or stopped_at):
        add_doubt(session, "stop_before_start")
    if is_late:
        reopen_for_settlement(session)
    elif _vehicle_may_still_occupy(session):
        check_step(ChargingSession.TRANSITIONS, session.status, Status.FINISHING)
        session.status = Status.FINISHING
        not_charging = MeterSample(session.stopped_at, reported_at, Measurand.CHARGING, Decimal(0))
        store_samples(session, [not_charging], received_at)
        session.save()
    else:
        end_session(session, at=session.stopped_at)
    return _stop_answer(session)


@transaction.atomic
def connector_status(*, charge_point_id: int, connector_number: int, status: str, at: datetime) -> Directive:
    """What a connector's status says about its session (OCPP 1.6, StatusNotification).

    SuspendedEV is a vehicle that requests no power (billable parking); SuspendedEVSE is throttling by the station and
    is not. A vehicle that has left ends a session that waited for it. Locks: the session's row.
    """
    rows = lock_rows(
        ChargingSession.objects.filter(
            charge_point_id=charge_point_id,
            connector__number=connector_number,
            status__in=[Status.ACTIVE, Status.FINISHING],
        )
    )
    if not rows:
        return Directive()
    session = rows[-1]
    if session.status == Status.FINISHING:
        if status in {Connector.Status.AVAILABLE, Connector.Status.PREPARING, Connector.Status.RESERVED}:
            end_session(session, at=max(at, session.stopped_at or at))
    elif status in {Connector.Status.CHARGING, Connector.Status.SUSPENDED_EV, Connector.Status.SUSPENDED_EVSE}:
        requests_power = Decimal(0 if status == Connector.Status.SUSPENDED_EV else 1)
        store_samples(session, [MeterSample(at, at, Measurand.CHARGING, requests_power)], at)
    return Directive(session_id=session.pk, public_id=session.public_id)


@transaction.atomic
def charging_state(
    *,
    charge_point_id: int,
    session_id: int,
    requests_power: bool,
    at: datetime,
    reported_at: datetime,
    received_at: datetime,
) -> Directive:
    """What a session's own report says about the vehicle (OCPP 2.0.1, chargingState): from `at` on it draws or waits
    for power, or requests none, which is billable parking. A repeat changes nothing. Locks: the session's row.
    """
    rows = lock_rows(ChargingSession.objects.filter(pk=session_id, charge_point_id=charge_point_id))
    if not rows:
        return Directive(recognised=False, reason="unknown_session")
    sample = MeterSample(at, reported_at, Measurand.CHARGING, Decimal(int(requests_power)))
    store_samples(rows[0], [sample], received_at)
    return Directive(session_id=rows[0].pk, public_id=rows[0].public_id)


@transaction.atomic
def cancel_request(*, session_id: int, reason: str) -> ChargingSession | None:
    """A requested session will not start: give its funds back. None when it has started or is gone. Idempotent.

    Locks: the session's row, then the wallet account.
    """
    rows = lock_rows(ChargingSession.objects.filter(pk=session_id, status=Status.REQUESTED))
    if not rows:
        return None
    session = rows[0]
    session.status = Status.CANCELLED
    session.stop_reason = reason[:30]
    session.save(update_fields=["status", "stop_reason"])
    release_session_holds(session_id=session.pk)
    return session


def close_overdue_sessions(*, now: datetime) -> int:
    """Cancel requests past their deadline; end sessions whose stop or unplug report never came, into review.

    Each in its own transaction; returns how many were closed. Safe to repeat and to run twice at once.
    """
    late_requests = ChargingSession.objects.filter(status=Status.REQUESTED, start_deadline_at__lt=now)
    closed = sum(
        cancel_request(session_id=pk, reason="start_deadline_passed") is not None
        for pk in late_requests.values_list("pk", flat=True)
    )
    silent = Q(status=Status.ACTIVE) & (
        Q(live_at__lt=now - SILENT_FOR) | Q(live_at__isnull=True, start_received_at__lt=now - SILENT_FOR)
    )
    waiting = Q(status=Status.FINISHING, stopped_at__lt=now - UNPLUG_WITHIN)
    for pk in ChargingSession.objects.filter(silent | waiting).values_list("pk", flat=True):
        closed += _close_silent(pk)
    return closed


@transaction.atomic
def _close_silent(session_id: int) -> int:
    rows = lock_rows(ChargingSession.objects.filter(pk=session_id, status__in=[Status.ACTIVE, Status.FINISHING]))
    if not rows:
        return 0
    session = rows[0]
    doubt = "no_stop_report" if session.status == Status.ACTIVE else "no_unplug_report"
    end_session(session, at=None, doubt=doubt)
    return 1


def _stop_answer(session: ChargingSession, *, parked: str = "") -> StopResult:
    return StopResult(
        recognised=True,
        parked=bool(parked),
        reason=parked or session.review_reason,
        session_id=session.pk,
        public_id=session.public_id,
    )


def _stopped_by(
    charge_point_id: int, session_id: int, id_tag: str, reported_at: datetime, meter_stop_wh: Decimal | None
) -> ChargingSession | None:
    """The session this very report has stopped before, under whatever transaction id it came then."""
    sessions = ChargingSession.objects.filter(
        charge_point_id=charge_point_id, stop_reported_at=reported_at, meter_stop_reported_wh=meter_stop_wh
    )
    if 0 < session_id <= _LARGEST_ID:
        sessions = sessions.filter(pk=session_id)
    elif id_tag:
        sessions = sessions.filter(id_tag__iexact=id_tag.strip())
    return sessions.first()


def _session_to_stop(
    charge_point_id: int, session_id: int, id_tag: str, stopped_at: datetime, meter_stop_wh: Decimal | None
) -> ChargingSession | None:
    sessions = ChargingSession.objects.filter(charge_point_id=charge_point_id).select_related(
        "tariff_version", "connector"
    )
    if 0 < session_id <= _LARGEST_ID:
        rows = lock_rows(sessions.filter(pk=session_id).exclude(status=Status.REQUESTED))
    else:
        fits = Q(status=Status.ACTIVE, started_at__lte=stopped_at)
        if id_tag:
            fits &= Q(id_tag__iexact=id_tag.strip())
        if meter_stop_wh is not None:
            fits &= Q(meter_start_wh__lte=meter_stop_wh)
        rows = lock_rows(sessions.filter(fits))
    return rows[0] if len(rows) == 1 else None


def _accept_register(session: ChargingSession, meter_stop_wh: Decimal | None) -> None:
    """Keep the stop register when it is plausible; else the last good value stands and an operator is told both."""
    if session.meter_start_wh is None:
        add_doubt(session, "meter_start_missing")
    verdict = judge_register(
        RegisterReading(
            meter_start_wh=session.meter_start_wh or Decimal(0),
            last_good_wh=(session.meter_start_wh or Decimal(0)) + session.energy_wh,
            meter_stop_wh=meter_stop_wh,
            rated_power_w=session.connector.max_power_w if session.connector else None,
            duration=(session.stopped_at - session.started_at) if session.stopped_at and session.started_at else None,
        )
    )
    session.meter_stop_wh = verdict.meter_stop_wh
    if session.meter_start_wh is not None:
        session.energy_wh = max(verdict.meter_stop_wh - session.meter_start_wh, Decimal(0))
    reported = _("not given") if meter_stop_wh is None else f"{meter_stop_wh.normalize():f} Wh"
    add_doubt(session, verdict.doubt, _("Final register as reported: %(reported)s.") % {"reported": reported})


def _vehicle_may_still_occupy(session: ChargingSession) -> bool:
    connector = session.connector
    if connector is None or session.tariff_version is None or not staying_costs(session, UNPLUG_WITHIN):
        return False
    connector.refresh_from_db(fields=["status", "status_at"])
    return connector.status in {
        Connector.Status.CHARGING,
        Connector.Status.SUSPENDED_EV,
        Connector.Status.SUSPENDED_EVSE,
        Connector.Status.FINISHING,
    }
