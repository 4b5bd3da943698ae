"""A new key for a station, sent to it over its own connection."""

from django.db import transaction

from locations.services.credentials import issue_key
from ocpp_gateway.models import Command
from ocpp_gateway.services.commands import queue_command


@transaction.atomic
def rotate_key(*, charge_point_id: int, actor_id: int | None = None, reason: str = "") -> Command:
    """Make a new key and have the station take it. Nobody sees it.

    Both keys work until the station answers: the new one alone when it accepts (or connects with it), the old one
    alone when it refuses or was not reached in time, both when it does not answer. OCPP 1.6 only: raises
    CommandNotValid, and issues nothing, for a station of another version.
    Locks: the charge point's row.
    """
    key = issue_key(charge_point_id=charge_point_id, actor_id=actor_id, reason=reason)
    return queue_command(
        charge_point_id=charge_point_id,
        action="ChangeConfiguration",
        payload={"key": "AuthorizationKey", "value": key},
        actor_id=actor_id,
    )
