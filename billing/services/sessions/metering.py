"""Meter values while a session runs: store, price what has been used so far, decide."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.domain.admission import LOOK_AHEAD, must_stop, should_warn
from billing.domain.answers import Directive
from billing.domain.meter import is_plausible
from billing.domain.samples import MeterSample
from billing.models import ChargingSession, MeterValue
from billing.services.auto_top_up_asking import ask_for_auto_top_up
from billing.services.rating import gross_so_far
from billing.services.sessions.limits import extend_limit
from common.locking import lock_rows

Measurand = MeterValue.Measurand
_ACCEPTS_SAMPLES = [ChargingSession.Status.ACTIVE, ChargingSession.Status.FINISHING]


@transaction.atomic
def record_meter_values(
    *,
    charge_point_id: int,
    session_id: int | None,
    connector_number: int,
    samples: Sequence[MeterSample],
    received_at: datetime,
) -> Directive:
    """Append samples, refresh the live cost and say whether to go on (OCPP 1.6, MeterValues).

    Resent samples change nothing. Without a session id the running session of the connector is meant. Samples of a
    session that has ended are kept with it. Another charge point's session id is not recognised and has no effect.
    A session whose start came without a register starts at the first one reported: what flowed before is not billed.
    Locks: the session's row, then the wallet account when more must be reserved.
    """
    session = _find(charge_point_id, session_id, connector_number)
    if session is None:
        return Directive(recognised=False, reason="unknown_session")
    store_samples(session, samples, received_at)
    if session.status not in _ACCEPTS_SAMPLES:
        return Directive(session_id=session.pk, public_id=session.public_id)
    _learn_meter_start(session, samples)
    _refresh_live(session, samples, received_at)
    return _decide(session, received_at)


def _learn_meter_start(session: ChargingSession, samples: Sequence[MeterSample]) -> None:
    """Take the first register of a locked session that has none yet."""
    if session.meter_start_wh is not None:
        return
    registers = [sample for sample in samples if sample.measurand == Measurand.ENERGY and not sample.phase]
    if registers:
        session.meter_start_wh = min(registers, key=lambda sample: sample.occurred_at).value
        session.save(update_fields=["meter_start_wh"])


def store_samples(session: ChargingSession, samples: Sequence[MeterSample], received_at: datetime) -> None:
    """Append samples; those already stored are skipped by the unique constraint."""
    MeterValue.objects.bulk_create(
        [
            MeterValue(
                charging_session=session,
                occurred_at=sample.occurred_at,
                reported_at=sample.reported_at,
                received_at=received_at,
                measurand=sample.measurand,
                phase=sample.phase,
                context=sample.context,
                value=sample.value,
            )
            for sample in samples
        ],
        ignore_conflicts=True,
    )


def _find(charge_point_id: int, session_id: int | None, connector_number: int) -> ChargingSession | None:
    sessions = ChargingSession.objects.filter(charge_point_id=charge_point_id).select_related(
        "tariff_version", "open_access", "connector__charge_point__location"
    )
    if session_id is not None:
        rows = lock_rows(sessions.filter(pk=session_id))
    else:
        rows = lock_rows(sessions.filter(connector__number=connector_number, status=ChargingSession.Status.ACTIVE))
    return rows[0] if len(rows) == 1 else None


def _refresh_live(session: ChargingSession, samples: Sequence[MeterSample], received_at: datetime) -> None:
    newest: dict[str, MeterSample] = {}
    for sample in samples:
        if not sample.phase and (
            sample.measurand not in newest or sample.occurred_at >= newest[sample.measurand].occurred_at
        ):
            newest[sample.measurand] = sample
    energy = newest.get(Measurand.ENERGY)
    if energy is not None and session.meter_start_wh is not None and _may_be(session, energy):
        # A register that fell back (reset, placeholder 0) keeps the last good value; settlement looks again.
        session.energy_wh = max(session.energy_wh, energy.value - session.meter_start_wh)
    if Measurand.POWER in newest:
        session.power_w = newest[Measurand.POWER].value
    if Measurand.SOC in newest:
        session.soc_percent = newest[Measurand.SOC].value
    session.live_at = received_at
    if session.tariff_version_id is not None:
        session.live_gross = gross_so_far(session)
    session.save(update_fields=["energy_wh", "power_w", "soc_percent", "live_at", "live_gross"])


def _may_be(session: ChargingSession, energy: MeterSample) -> bool:
    """False for a register no connector of this rating can have reached: a spike is stored but not believed."""
    return is_plausible(
        energy_wh=energy.value - (session.meter_start_wh or Decimal(0)),
        rated_power_w=session.connector.max_power_w if session.connector else None,
        duration=energy.occurred_at - session.started_at if session.started_at else None,
    )


def _decide(session: ChargingSession, now: datetime) -> Directive:
    def answer(*, stop: bool = False, warn: bool = False, reason: str = "") -> Directive:
        return Directive(stop=stop, warn=warn, reason=reason, session_id=session.pk, public_id=session.public_id)

    if session.status != ChargingSession.Status.ACTIVE:
        return answer()
    if session.stop_requested_at is not None:
        return answer(stop=True, reason=session.stop_request_reason)
    if session.open_access is not None and is_free_use_over(session, now):
        _ask_to_stop(session, now, "open_access_used_up")
        return answer(stop=True, reason=session.stop_request_reason)
    if session.spend_limit is None or session.tariff_version_id is None:
        return answer()
    projected = gross_so_far(session, ahead=LOOK_AHEAD)
    if must_stop(projected_gross=projected, limit=session.spend_limit):
        if extend_limit(session, now):
            return answer(warn=True, reason="limit_extended")
        _ask_to_stop(session, now, "limit_reached")
        return answer(stop=True, reason="limit_reached")
    warn = should_warn(cost_gross=session.live_gross, limit=session.spend_limit)
    if warn:
        ask_for_auto_top_up(session.driver_id, now)
    return answer(warn=warn, reason="limit_near" if warn else "")


def is_free_use_over(session: ChargingSession, now: datetime) -> bool:
    """Whether a session that is free by open access has had, or is about to have had, all that is free."""
    if session.open_access is None or session.started_at is None:
        return False
    return session.open_access.free_use.is_used_up(
        energy_wh=session.energy_wh,
        power_w=session.power_w or Decimal(0),
        lasted=now - session.started_at,
        ahead=LOOK_AHEAD,
    )


@transaction.atomic
def stop_used_up(*, now: datetime) -> int:
    """Ask for the stop of sessions whose free time is over, also where the charge point says nothing; their number.

    Safe to repeat. Locks: the sessions' rows.
    """
    running = ChargingSession.objects.filter(
        status=ChargingSession.Status.ACTIVE, open_access__max_minutes__isnull=False, stop_requested_at__isnull=True
    )
    over = [session for session in lock_rows(running.select_related("open_access")) if is_free_use_over(session, now)]
    for session in over:
        _ask_to_stop(session, now, "open_access_used_up")
    return len(over)


def _ask_to_stop(session: ChargingSession, now: datetime, reason: str) -> None:
    session.stop_requested_at, session.stop_request_reason = now, reason
    session.save(update_fields=["stop_requested_at", "stop_request_reason"])
