"""What a driver still owes, beside the session it is for."""

from dataclasses import dataclass

from billing.models import ChargingSession, FundingLeg
from billing.selectors.payments import Collection, open_debt


@dataclass(frozen=True)
class Unpaid:
    collection: Collection
    session: ChargingSession

    @property
    def is_under_way(self) -> bool:
        """Nothing went wrong and nothing is asked of the driver: the charge is being made."""
        waiting = (FundingLeg.State.DUE, FundingLeg.State.ATTEMPTING)
        return self.collection.leg.state in waiting and not self.collection.reason


def unpaid(driver_id: int) -> list[Unpaid]:
    """Oldest first; one query more than `open_debt`."""
    collections = open_debt(driver_id)
    if not collections:
        return []
    sessions = ChargingSession.objects.select_related("charge_point__location").in_bulk(
        [collection.leg.cdr.charging_session_id for collection in collections]
    )
    return [Unpaid(collection, sessions[collection.leg.cdr.charging_session_id]) for collection in collections]
