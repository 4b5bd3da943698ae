"""Remote start and stop: what a driver, an operator or a limit asks a station to do with a session."""

from datetime import timedelta

from django.db import transaction

from billing.models import ChargingSession
from billing.services.sessions import request_start, request_stop
from common import clock
from locations.models import Connector
from ocpp_gateway.models import Command
from ocpp_gateway.services.commands import REMOTE_START, queue_command

REMOTE_STOP = "RemoteStopTransaction"
# A stop is still worth sending to a station that comes back within this time.
STOP_EXPIRES_IN = timedelta(minutes=10)
# A station that accepted a stop gets this long to report it before it is asked again.
STOP_AGAIN_AFTER = timedelta(seconds=60)


@transaction.atomic
def remote_start(
    *, connector_id: int, driver_id: int, actor_id: int | None = None, channel: str = "app"
) -> ChargingSession:
    """Reserve a session for a driver and ask the charge point to start it; returns the requested session.

    A repeat while the first waits returns the first and asks nothing twice. If the station does not accept, or reports
    no start in time, the session is cancelled and what was reserved is given back. Raises what `request_start` raises.
    """
    session = request_start(connector_id=connector_id, driver_id=driver_id, channel=channel)
    connector = Connector.objects.get(pk=connector_id)
    deadline = session.start_deadline_at or clock.now()
    queue_command(
        charge_point_id=connector.charge_point_id,
        action=REMOTE_START,
        payload={"connectorId": connector.number, "idTag": session.id_tag},
        actor_id=actor_id,
        session_id=session.pk,
        expires_in=max(deadline - clock.now(), timedelta(0)),
        idempotency_key=f"session:{session.public_id}:remote_start",
    )
    return session


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
    accepted = Command.objects.filter(
        charging_session_id=session_id,
        action=REMOTE_STOP,
        status=Command.Status.ACCEPTED,
        resolved_at__gte=clock.now() - STOP_AGAIN_AFTER,
    ).first()
    if accepted is not None:
        return accepted
    return queue_command(
        charge_point_id=charge_point_id,
        action=REMOTE_STOP,
        payload={"transactionId": session_id},
        actor_id=actor_id,
        session_id=session_id,
        expires_in=STOP_EXPIRES_IN,
    )
