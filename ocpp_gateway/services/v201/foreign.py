"""Transactions that a charge point names and another one has."""

from billing.models import ChargingSession
from ocpp_gateway.models import StationTransaction


def foreign_session(*, charge_point_id: int, transaction_id: str) -> int | None:
    """The session of another charge point with this transaction id, where this one never began one of that name."""
    owners = set(
        StationTransaction.objects.filter(transaction_id=transaction_id).values_list("charge_point_id", flat=True)[:50]
    )
    if not owners or charge_point_id in owners:
        return None
    return (
        ChargingSession.objects.filter(charge_point_id__in=owners, station_transaction_id=transaction_id)
        .values_list("pk", flat=True)
        .first()
    )
