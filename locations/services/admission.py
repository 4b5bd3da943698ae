"""Charge points are taken into service and out of it."""

from django.db import transaction

from accounts.services import audit
from common.locking import lock_row
from locations.models import ChargePoint


@transaction.atomic
def set_admission(
    *, charge_point_id: int, admission: str, actor_id: int | None = None, reason: str = ""
) -> ChargePoint:
    """Approve a charge point, or take it out of service. A repeat changes nothing. Locks: the charge point's row."""
    charge_point = lock_row(ChargePoint.objects.filter(pk=charge_point_id))
    if charge_point.admission != admission:
        charge_point.admission = ChargePoint.Admission(admission)
        charge_point.save(update_fields=["admission"])
        audit.record(actor_id=actor_id, action=f"charge_point_{admission}", subject=charge_point, reason=reason)
    return charge_point
