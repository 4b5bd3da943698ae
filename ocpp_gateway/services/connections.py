"""Which socket of a charge point counts. Taken over by a newer one, fenced by the connection's id."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from common.locking import lock_rows
from locations.models import ChargePoint
from locations.services import status
from ocpp_gateway.models import StationConnection

# Rows of a process that has not shown itself for this long were left behind by a kill.
PROCESS_SILENT_FOR = timedelta(seconds=60)


@transaction.atomic
def claim_connection(
    *,
    charge_point_id: int,
    connection_id: UUID,
    process_id: UUID,
    subprotocol: str,
    ocpp_version: str,
    remote_address: str,
    at: datetime,
) -> None:
    """Make this socket the one that counts; an older one is fenced off from here on. The charge point is commanded in
    the version it speaks now. Locks: the charge point's row."""
    lock_rows(ChargePoint.objects.filter(pk=charge_point_id))
    StationConnection.objects.update_or_create(
        charge_point_id=charge_point_id,
        defaults={
            "connection_id": connection_id,
            "process_id": process_id,
            "subprotocol": subprotocol,
            "remote_address": remote_address[:64],
            "connected_at": at,
            "seen_at": at,
        },
    )
    status.mark_connected(charge_point_id=charge_point_id, ocpp_version=ocpp_version, at=at)


@transaction.atomic
def release_connection(*, charge_point_id: int, connection_id: UUID) -> bool:
    """The socket is closed. False, and nothing changes, when a newer one counts. Locks: the charge point's row."""
    lock_rows(ChargePoint.objects.filter(pk=charge_point_id))
    released, _ = StationConnection.objects.filter(
        charge_point_id=charge_point_id, connection_id=connection_id
    ).delete()
    if released:
        status.mark_disconnected(charge_point_ids=[charge_point_id])
    return bool(released)


@transaction.atomic
def refresh_connections(*, process_id: UUID, heard_from: Collection[int], at: datetime) -> None:
    """Show that this process is alive, and note the charge points it has heard from since it last did."""
    StationConnection.objects.filter(process_id=process_id).update(seen_at=at)
    if heard_from:
        status.mark_seen(charge_point_ids=sorted(heard_from), at=at)


@transaction.atomic
def drop_stale_connections(*, now: datetime) -> int:
    """Remove the rows of processes that are gone; returns how many. Locks: the charge points' rows.

    A process that was merely stuck finds its sockets fenced off, closes them, and the stations connect again.
    """
    stale = StationConnection.objects.filter(seen_at__lt=now - PROCESS_SILENT_FOR)
    charge_point_ids = list(stale.values_list("charge_point_id", flat=True))
    if not charge_point_ids:
        return 0
    lock_rows(ChargePoint.objects.filter(pk__in=charge_point_ids))
    still_stale = list(stale.filter(charge_point_id__in=charge_point_ids).values_list("charge_point_id", flat=True))
    StationConnection.objects.filter(charge_point_id__in=still_stale).delete()
    status.mark_disconnected(charge_point_ids=still_stale)
    return len(still_stale)
