"""What the OCPP 2.0.1 handlers share: habits of the station, moments, answers about tokens."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from billing.services import sessions
from ocpp_gateway.domain.v201.events import Habits
from ocpp_gateway.domain.v201.words import id_token_info
from ocpp_gateway.domain.values import Moment, read_moment, write_moment
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.services.admission import Station


def habits_of(station: Station) -> Habits:
    return Habits(
        clock_offset=timedelta(seconds=station.clock_offset_seconds), id_tag_separator=station.id_tag_separator
    )


def moment_of(station: Station, payload: Payload, received_at: datetime, *, name: str = "timestamp") -> Moment:
    return read_moment(
        payload.get(name), received_at=received_at, clock_offset=timedelta(seconds=station.clock_offset_seconds)
    )


def boot_answer(station: Station, now: datetime) -> dict[str, Any]:
    return {
        "status": "Accepted" if station.is_admitted else "Pending",
        "currentTime": write_moment(now),
        "interval": settings.OCPP_HEARTBEAT_SECONDS,
    }


def judged(station: Station, id_tag: str, at: datetime) -> dict[str, Any]:
    """The idTokenInfo of a token as billing judges it now. Cards of one driver are one group."""
    if not station.is_admitted:
        return id_token_info("charge_point_pending")
    answer = sessions.authorize(charge_point_id=station.charge_point_id, id_tag=id_tag, at=at)
    if not answer.accepted:
        return id_token_info(answer.code)
    return id_token_info("accepted", group=f"DRIVER-{answer.driver_id}")


def changed_pages(public_id: UUID | None) -> tuple[UUID, ...]:
    return () if public_id is None else (public_id,)
