"""What the OCPP 1.6 handlers share: tags, moments and answers as this version writes them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from ocpp_gateway.domain.values import Moment, normalise_id_tag, read_moment, write_moment
from ocpp_gateway.handlers.dialect import Payload
from ocpp_gateway.services.admission import Station

# Our reasons to refuse a tag as OCPP 1.6 puts them (AuthorizationStatus, 7.2); any other reason is Invalid.
_AUTHORIZATION_STATUS: Final[Mapping[str, str]] = {
    "accepted": "Accepted",
    "token_blocked": "Blocked",
    "driver_blocked": "Blocked",
    "token_expired": "Expired",
    "connector_busy": "ConcurrentTx",
}


def boot_answer(station: Station, now: datetime) -> dict[str, Any]:
    return {
        "status": "Accepted" if station.is_admitted else "Pending",
        "currentTime": write_moment(now),
        "interval": settings.OCPP_HEARTBEAT_SECONDS,
    }


def id_tag_info(code: str) -> dict[str, Any]:
    return {"idTagInfo": {"status": _AUTHORIZATION_STATUS.get(code, "Invalid")}}


def id_tag_of(station: Station, payload: Payload) -> str:
    return normalise_id_tag(payload.get("idTag", ""), suffix_separator=station.id_tag_separator)


def clock_offset_of(station: Station) -> timedelta:
    return timedelta(seconds=station.clock_offset_seconds)


def moment_of(station: Station, payload: Payload, received_at: datetime) -> Moment:
    return read_moment(payload.get("timestamp"), received_at=received_at, clock_offset=clock_offset_of(station))


def changed_pages(public_id: UUID | None) -> tuple[UUID, ...]:
    return () if public_id is None else (public_id,)
