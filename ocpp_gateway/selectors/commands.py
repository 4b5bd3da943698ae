"""What is known of charge points from the commands they answered."""

from typing import Any

from common import clock
from ocpp_gateway.domain.values import read_moment
from ocpp_gateway.models import Command


def open_reservations(charge_point_id: int) -> list[dict[str, Any]]:
    """Contents of the reservations a charge point accepted that have neither run out nor been cancelled."""
    accepted = Command.objects.filter(charge_point=charge_point_id, status=Command.Status.ACCEPTED)
    cancelled = {
        row["reservationId"] for row in accepted.filter(action="CancelReservation").values_list("payload", flat=True)
    }
    reserved: list[dict[str, Any]] = list(accepted.filter(action="ReserveNow").values_list("payload", flat=True)[:50])
    return [row for row in reserved if row.get("reservationId") not in cancelled and not _is_over(row)]


def installed_certificates(charge_point_id: int) -> list[dict[str, Any]]:
    """Hash data of the root certificates a charge point listed last, of either use."""
    answered = Command.objects.filter(charge_point=charge_point_id, action="GetInstalledCertificateIds")
    found: dict[str, dict[str, Any]] = {}
    for command in answered.filter(status=Command.Status.ACCEPTED)[:20]:
        found.setdefault(command.payload["certificateType"], command.response or {})
    return [dict(data) for response in found.values() for data in response.get("certificateHashData") or ()]


def _is_over(reservation: dict[str, Any]) -> bool:
    now = clock.now()
    text = str(reservation.get("expiryDate", ""))
    # Read against its own moment: this one lies in the future.
    moment = read_moment(text, received_at=now)
    return moment.reported_at <= now
