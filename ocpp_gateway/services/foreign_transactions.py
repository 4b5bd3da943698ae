"""Charge points that report about a transaction of another charge point."""

from django.db import transaction

from accounts.services import audit
from billing.models import ChargingSession
from locations.models import ChargePoint

REASON = "foreign_transaction_id"


def is_foreign(*, charge_point_id: int, session_id: int) -> bool:
    """True when the session is another charge point's; False for one of its own and for one nobody has."""
    return ChargingSession.objects.filter(pk=session_id).exclude(charge_point_id=charge_point_id).exists()


@transaction.atomic
def note_foreign_transaction(*, charge_point_id: int, message: str, session_id: int) -> None:
    """Put on record that a charge point named another one's transaction. What it reported had no effect."""
    audit.record(
        actor_id=None,
        action=REASON,
        subject=ChargePoint.objects.get(pk=charge_point_id),
        data={"message": message, "transaction_id": session_id},
    )
