"""Which connector of ours an EVSE and connector of OCPP 2.0.1 are, and what their statuses mean."""

from datetime import datetime

from billing.models import ChargingSession
from locations.models import Connector
from locations.services import status
from ocpp_gateway.domain.v201.words import CONNECTOR_STATUS

# No connector of ours has this number.
UNKNOWN = 0
Status = Connector.Status
_IN_USE = frozenset({Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE})


def connector_at(*, charge_point_id: int, evse_number: int | None, connector_number: int | None) -> Connector | None:
    """The connector: connectors are counted from 1 on each EVSE there, over the whole charge point here.

    Without a connector the EVSE's only one, else the one in use, else its first. Without an EVSE that of the only EVSE.
    """
    connectors = list(
        Connector.objects.filter(charge_point_id=charge_point_id).select_related("evse").order_by("number")
    )
    if evse_number is None:
        connectors = connectors if len({connector.evse_id for connector in connectors}) == 1 else []
    else:
        connectors = [connector for connector in connectors if connector.evse.number == evse_number]
    if connector_number:
        return connectors[connector_number - 1] if connector_number <= len(connectors) else None
    in_use = [connector for connector in connectors if connector.status in _IN_USE | {Status.PREPARING}]
    return next(iter(in_use or connectors), None)


def note_charging_state(*, connector: Connector, charging_state: str, at: datetime) -> None:
    """A transaction's chargingState is what our pages show of its connector."""
    if charging_state in CONNECTOR_STATUS:
        status.record_connector_status(
            charge_point_id=connector.charge_point_id,
            connector_number=connector.number,
            status=CONNECTOR_STATUS[charging_state],
            at=at,
        )


def note_end(*, connector: Connector, vehicle_has_left: bool, at: datetime) -> None:
    """A transaction has ended: its vehicle is still connected, or has left."""
    status.record_connector_status(
        charge_point_id=connector.charge_point_id,
        connector_number=connector.number,
        status=Status.AVAILABLE if vehicle_has_left else Status.FINISHING,
        at=at,
    )


def status_of(connector: Connector, connector_status: str) -> str:
    """A connectorStatus as one of ours. Occupied is what the connector's session makes of it."""
    if connector_status != "Occupied":
        return Status(connector_status)
    running = (
        ChargingSession.objects.filter(connector=connector, status__in=["active", "finishing"])
        .order_by("-pk")
        .values_list("status", flat=True)
        .first()
    )
    if running == ChargingSession.Status.ACTIVE:
        return connector.status if connector.status in _IN_USE else Status.CHARGING
    if running == ChargingSession.Status.FINISHING or connector.status in _IN_USE | {Status.FINISHING}:
        return Status.FINISHING
    return Status.PREPARING
