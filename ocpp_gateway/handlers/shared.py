"""What the handlers of every version share: a station's clock, the answer to its boot, pages to renew."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from ocpp_gateway.domain.values import Moment, read_moment, write_moment
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.services.admission import Station


def boot_answer(station: Station, now: datetime) -> dict[str, Any]:
    return {
        "status": "Accepted" if station.is_admitted else "Pending",
        "currentTime": write_moment(now),
        "interval": settings.OCPP_HEARTBEAT_SECONDS,
    }


def clock_offset_of(station: Station) -> timedelta:
    return timedelta(seconds=station.clock_offset_seconds)


def moment_of(station: Station, payload: Payload, received_at: datetime, *, name: str = "timestamp") -> Moment:
    return read_moment(payload.get(name), received_at=received_at, clock_offset=clock_offset_of(station))


def changed_pages(public_id: UUID | None) -> tuple[UUID, ...]:
    return () if public_id is None else (public_id,)
