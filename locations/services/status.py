"""What charge points report about themselves: boot, connection, connector status."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from locations.models import ChargePoint, ChargePointModel, Connector


@transaction.atomic
def record_connector_status(
    *, charge_point_id: int, connector_number: int, status: str, error_code: str = "", at: datetime
) -> bool:
    """Store the status a connector reported for `at`. True when it was news and the connector is known.

    An older report than the one stored changes nothing: stations send their backlog late. Connector 0 is the charge
    point as a whole (OCPP 1.6, 4.9) and changes no connector. `status` is an OCPP 1.6 ChargePointStatus; the error code
    `NoError` is stored as empty.
    """
    reported_error = "" if error_code == "NoError" else error_code[:50]
    changed = (
        Connector.objects.filter(charge_point_id=charge_point_id, number=connector_number)
        .filter(Q(status_at__isnull=True) | Q(status_at__lte=at))
        .update(status=Connector.Status(status), status_at=at, error_code=reported_error)
    )
    return bool(changed)


@transaction.atomic
def record_boot(
    *,
    charge_point_id: int,
    vendor: str,
    model: str,
    serial_number: str = "",
    firmware_version: str = "",
    at: datetime,
) -> None:
    """Store what a station says of itself when it boots; its make and model becomes known on first sight.

    Values are cut to the width of their columns. Safe to repeat.
    """
    known_model, _ = ChargePointModel.objects.get_or_create(vendor=vendor[:50], name=model[:50])
    ChargePoint.objects.filter(pk=charge_point_id).update(
        model=known_model,
        serial_number=serial_number[:50],
        firmware_version=firmware_version[:50],
        last_boot_at=at,
        last_seen_at=at,
    )


@transaction.atomic
def set_clock_offset(*, charge_point_id: int, seconds: int) -> None:
    """What is to be added to the moments a station reports."""
    ChargePoint.objects.filter(pk=charge_point_id).update(clock_offset_seconds=seconds)


@transaction.atomic
def mark_connected(*, charge_point_id: int, ocpp_version: str, at: datetime) -> None:
    """A station's socket is open, and this is the OCPP version spoken on it.

    The caller fences: it holds the station's connection record.
    """
    ChargePoint.objects.filter(pk=charge_point_id).update(is_connected=True, ocpp_version=ocpp_version, last_seen_at=at)


@transaction.atomic
def mark_disconnected(*, charge_point_ids: list[int]) -> None:
    """These stations have no socket any more. The caller fences: it removed their connection records."""
    ChargePoint.objects.filter(pk__in=charge_point_ids, is_connected=True).update(is_connected=False)


@transaction.atomic
def mark_seen(*, charge_point_ids: list[int], at: datetime) -> None:
    """These stations were heard from at `at`; one statement for all of them. Never moves the moment backwards."""
    ChargePoint.objects.filter(pk__in=charge_point_ids).exclude(last_seen_at__gt=at).update(last_seen_at=at)
