"""Sessions in review are decided by a person: billed after all, as they stand or corrected, or discarded."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django_q.tasks import async_task

from accounts.selectors.contracts import contract_in_force
from accounts.selectors.tokens import find_token
from accounts.services import audit
from billing.domain.meter import is_plausible
from billing.errors import MeterImplausible, MeterRunsBackwards, TimesOutOfOrder
from billing.models import ChargingSession
from billing.services.admission import terms_for
from billing.services.holds import release_session_holds
from common import clock
from common.locking import lock_row
from common.states import check_step

Outcome = ChargingSession.Outcome


@transaction.atomic
def release_from_review(*, session_id: int, actor_id: int, reason: str) -> ChargingSession:
    """Send a session in review to settlement: what was doubted is accepted as it stands.

    What was missing at the start and is known by now (the card's customer, their contract, the price of that moment)
    is filled in; a register nobody reported is the last good one. Settlement looks again and parks the session anew
    when something is still missing. A repeat is a no-op.
    Locks: the session's row. Raises InvalidTransition, NoContract, NoTariff, NoVatRate, CurrencyMismatch.
    """
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    if check_step(ChargingSession.OUTCOME_TRANSITIONS, session.outcome, Outcome.PENDING):
        if session.meter_stop_wh is None and session.meter_start_wh is not None:
            session.meter_stop_wh = session.meter_start_wh + session.energy_wh
        _send_to_settlement(session, actor_id=actor_id, action="session_released", reason=reason)
    return session


@transaction.atomic
def correct_meter(
    *,
    session_id: int,
    meter_start_wh: Decimal,
    meter_stop_wh: Decimal,
    stopped_at: datetime,
    ended_at: datetime,
    actor_id: int,
    reason: str,
) -> ChargingSession:
    """Give a session in review the registers (Wh) and the end that somebody found out, and send it to settlement.

    What the charge point said stays in its messages, what the session said in the audit trail. A repeat is a no-op.
    Locks: the session's row. Raises MeterImplausible, MeterRunsBackwards, TimesOutOfOrder; as `release_from_review`.
    """
    session = lock_row(ChargingSession.objects.filter(pk=session_id).select_related("connector"))
    if not check_step(ChargingSession.OUTCOME_TRANSITIONS, session.outcome, Outcome.PENDING):
        return session
    started_at = session.started_at
    if started_at is None or not started_at <= stopped_at <= ended_at <= clock.now():
        raise TimesOutOfOrder
    energy_wh = meter_stop_wh - meter_start_wh
    if meter_start_wh < 0 or energy_wh < 0:
        raise MeterRunsBackwards
    rated_power_w = session.connector.max_power_w if session.connector else None
    if not is_plausible(energy_wh=energy_wh, rated_power_w=rated_power_w, duration=stopped_at - started_at):
        raise MeterImplausible
    corrected = {
        "meter_start_wh": meter_start_wh,
        "meter_stop_wh": meter_stop_wh,
        "stopped_at": stopped_at,
        "ended_at": ended_at,
    }
    changes = {}
    for name, value in corrected.items():
        before = getattr(session, name)
        if before != value:
            changes[name] = [None if before is None else str(before), str(value)]
        setattr(session, name, value)
    session.energy_wh = energy_wh
    _send_to_settlement(
        session, actor_id=actor_id, action="session_meter_corrected", reason=reason, data={"changes": changes}
    )
    return session


def _send_to_settlement(
    session: ChargingSession, *, actor_id: int, action: str, reason: str, data: dict[str, Any] | None = None
) -> None:
    """A locked session in review is settled after all, by a task that is queued with the decision."""
    doubt = session.review_reason
    _fill_in(session)
    session.outcome = Outcome.PENDING
    session.review_reason = ""
    session.review_note = "\n".join(part for part in (f"{doubt}: {reason}", session.review_note) if part)
    session.save()
    audit.record(actor_id=actor_id, action=action, subject=session, reason=reason, data={"doubt": doubt} | (data or {}))
    async_task("billing.tasks.settle_session", session.pk)


@transaction.atomic
def discard_session(*, session_id: int, actor_id: int, reason: str) -> ChargingSession:
    """Give a session in review up: it is never billed, and what it reserved is given back. A repeat is a no-op.

    Locks: the session's row, then the wallet account. Raises InvalidTransition.
    """
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    if check_step(ChargingSession.OUTCOME_TRANSITIONS, session.outcome, Outcome.DISCARDED):
        session.outcome = Outcome.DISCARDED
        session.save()
        release_session_holds(session_id=session.pk)
        audit.record(
            actor_id=actor_id,
            action="session_discarded",
            subject=session,
            reason=reason,
            data={"doubt": session.review_reason},
        )
    return session


def _fill_in(session: ChargingSession) -> None:
    if session.started_at is None:
        return
    if session.open_access_id is not None:
        if session.tariff_version is None:
            _freeze_terms(session, session.started_at)
        return
    if session.token is None and (token := find_token(session.id_tag)) is not None:
        session.token, session.driver, session.channel = token, token.driver, token.kind
    if session.driver_id is None:
        return
    was_nobodys = session.contract is None
    if was_nobodys:
        session.contract = contract_in_force(session.driver_id, session.started_at)
    # What was frozen for nobody in particular is not this customer's price.
    if was_nobodys or session.tariff_version is None:
        _freeze_terms(session, session.started_at)


def _freeze_terms(session: ChargingSession, at: datetime) -> None:
    if session.connector is None:
        return
    terms = terms_for(connector=session.connector, contract=session.contract, channel=session.channel, at=at)
    for name, value in terms.items():
        setattr(session, name, value)
