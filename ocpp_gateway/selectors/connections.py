"""Reading charge points as the gateway needs them."""

from uuid import UUID

from locations.models import ChargePoint
from ocpp_gateway.models import StationConnection


def find_charge_point(identity: str) -> ChargePoint | None:
    """The charge point with this identity, without regard to case, with its model; None when unknown."""
    return ChargePoint.objects.filter(identity__iexact=identity).select_related("model").first()


def connections_of(process_id: UUID) -> set[UUID]:
    """Ids of the connections that still count and are held by this process."""
    return set(StationConnection.objects.filter(process_id=process_id).values_list("connection_id", flat=True))


def holder_of(charge_point_id: int) -> StationConnection | None:
    """The connection of a charge point that counts, if it has one."""
    return StationConnection.objects.filter(charge_point_id=charge_point_id).first()


def version_of(charge_point_id: int) -> str:
    """The OCPP version a charge point is commanded in: what it spoke last, or is configured for."""
    return ChargePoint.objects.values_list("ocpp_version", flat=True).get(pk=charge_point_id)
