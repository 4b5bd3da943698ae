"""What the OCPP 2.0.1 handlers share: habits of the station, answers about tokens."""

from datetime import datetime
from typing import Any

from billing.services import sessions
from ocpp_gateway.domain.v201.events import Habits
from ocpp_gateway.domain.v201.words import id_token_info
from ocpp_gateway.handlers.shared import clock_offset_of
from ocpp_gateway.services.admission import Station


def habits_of(station: Station) -> Habits:
    return Habits(clock_offset=clock_offset_of(station), id_tag_separator=station.id_tag_separator)


def judged(station: Station, id_tag: str, at: datetime) -> dict[str, Any]:
    """The idTokenInfo of a token as billing judges it now. Cards of one driver are one group."""
    if not station.is_admitted:
        return id_token_info("charge_point_pending")
    answer = sessions.authorize(charge_point_id=station.charge_point_id, id_tag=id_tag, at=at)
    if not answer.accepted:
        return id_token_info(answer.code)
    return id_token_info("accepted", group=f"DRIVER-{answer.driver_id}" if answer.driver_id is not None else "")
