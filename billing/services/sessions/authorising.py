"""Is this id tag welcome?"""

from datetime import datetime

from billing.domain.answers import Authorization
from billing.models import AdHocSession
from billing.selectors.open_access import first_open
from billing.services.admission import admit, usable_token
from common.errors import Refused
from locations.models import Connector

_CLASSES = ("AC", "DC", "HPC")


def authorize(*, charge_point_id: int, id_tag: str, at: datetime) -> Authorization:
    """Answer a charge point that asks about an id tag (OCPP 1.6, Authorize). Never raises for a refusal.

    The connector is not known yet, so funds are judged by the cheapest power class of the charge point, and where one
    of its connectors is open to everybody, everybody is welcome; the start judges again.
    """
    if AdHocSession.objects.filter(
        charging_session__charge_point_id=charge_point_id,
        charging_session__id_tag__iexact=id_tag.strip(),
        charging_session__status__in=["requested", "active", "finishing"],
    ).exists():
        # Asked to start, the charge point asks back about the id tag it was given.
        return Authorization(accepted=True)
    connectors = list(
        Connector.objects.filter(charge_point_id=charge_point_id).select_related("charge_point__location")
    )
    power_class = min((connector.power_class for connector in connectors), key=_CLASSES.index, default="AC")
    try:
        token = usable_token(id_tag, at)
        admit(driver_id=token.driver_id, at=at, power_class=power_class)
    except Refused as refusal:
        if first_open(connectors, at):
            return Authorization(accepted=True)
        return Authorization(accepted=False, code=refusal.code, message=str(refusal.message))
    return Authorization(accepted=True, driver_id=token.driver_id)
