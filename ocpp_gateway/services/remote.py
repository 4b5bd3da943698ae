"""Remote start and stop: what a driver, an operator or a limit asks a station to do with a session."""

from datetime import timedelta

from django.db import transaction

from billing.models import ChargingSession
from billing.services.card_holds import awaits_hold
from billing.services.sessions import request_start, request_stop
from common import clock
from common.locking import lock_row
from locations.models import Connector
from ocpp_gateway.domain.command_rules import StartOrder, StopOrder
from ocpp_gateway.domain.command_sets import commands_of
from ocpp_gateway.models import Command
from ocpp_gateway.selectors.connections import version_of
from ocpp_gateway.services.commands import queue_command

# A station that accepted a stop gets this long to report it before it is asked again.
STOP_AGAIN_AFTER = timedelta(seconds=60)


@transaction.atomic
def remote_start(
    *, connector_id: int, driver_id: int, actor_id: int | None = None, channel: str = "app"
) -> ChargingSession:
    """Reserve a session for a driver and ask the charge point to start it; returns the requested session.

    A repeat while the first waits returns the first and asks nothing twice. If the station does not accept, or reports
    no start in time, the session is cancelled and what was reserved is given back. Where an amount is to be held on the
    driver's card, the charge point is asked once the bank has agreed (`follow_decision`). Raises what `request_start`
    raises.
    """
    session = request_start(connector_id=connector_id, driver_id=driver_id, channel=channel)
    if not awaits_hold(session):
        _ask_to_start(session, actor_id=actor_id)
    return session


@transaction.atomic
def follow_decision(*, session_id: int) -> Command | None:
    """Ask a session's charge point to start it once the bank holds its amount, or to stop it once it is to end.

    A repeat returns the command there is. None when nothing is to be asked (any more). Locks: the session's row.
    """
    session = lock_row(ChargingSession.objects.filter(pk=session_id))
    if session.status == ChargingSession.Status.REQUESTED and not awaits_hold(session):
        return _ask_to_start(session)
    if session.status == ChargingSession.Status.ACTIVE and session.stop_requested_at is not None:
        return ask_to_stop(session_id=session.pk, charge_point_id=session.charge_point_id)
    return None


def _ask_to_start(session: ChargingSession, *, actor_id: int | None = None) -> Command:
    connector = Connector.objects.select_related("evse").get(charging_sessions=session)
    deadline = session.start_deadline_at or clock.now()
    action, payload = commands_of(version_of(connector.charge_point_id)).start(
        StartOrder(connector.number, connector.evse.number, session.id_tag, session.pk)
    )
    return queue_command(
        charge_point_id=connector.charge_point_id,
        action=action,
        payload=payload,
        actor_id=actor_id,
        session_id=session.pk,
        expires_in=max(deadline - clock.now(), timedelta(0)),
        idempotency_key=f"session:{session.public_id}:remote_start",
    )


@transaction.atomic
def remote_stop(*, session_id: int, actor_id: int | None = None, reason: str) -> Command:
    """Note that a running session should stop and ask its charge point. A repeat returns the command under way.

    Raises SessionNotRunning.
    """
    session = request_stop(session_id=session_id, actor_id=actor_id, reason=reason)
    return ask_to_stop(session_id=session.pk, charge_point_id=session.charge_point_id, actor_id=actor_id)


@transaction.atomic
def ask_to_stop(*, session_id: int, charge_point_id: int, actor_id: int | None = None) -> Command:
    """Queue the stop of a running session, unless one is under way or was accepted a moment ago."""
    named = ChargingSession.objects.values_list("station_transaction_id", flat=True).get(pk=session_id)
    action, payload = commands_of(version_of(charge_point_id)).stop(StopOrder(session_id, named))
    accepted = Command.objects.filter(
        charging_session_id=session_id,
        action=action,
        status=Command.Status.ACCEPTED,
        resolved_at__gte=clock.now() - STOP_AGAIN_AFTER,
    ).first()
    if accepted is not None:
        return accepted
    return queue_command(
        charge_point_id=charge_point_id,
        action=action,
        payload=payload,
        actor_id=actor_id,
        session_id=session_id,
    )


@transaction.atomic
def ask_to_boot(*, charge_point_id: int) -> Command:
    """Have a station report itself anew: it was let in, and hears so in the answer."""
    action, payload = commands_of(version_of(charge_point_id)).boot
    return queue_command(charge_point_id=charge_point_id, action=action, payload=payload)
