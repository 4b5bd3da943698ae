"""What the OCPP 1.6 handlers share: tags and answers about them as this version writes them."""

from collections.abc import Mapping
from typing import Any, Final

from ocpp_gateway.domain.values import normalise_id_tag
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


def id_tag_info(code: str) -> dict[str, Any]:
    return {"idTagInfo": {"status": _AUTHORIZATION_STATUS.get(code, "Invalid")}}


def id_tag_of(station: Station, payload: Payload) -> str:
    return normalise_id_tag(payload.get("idTag", ""), suffix_separator=station.id_tag_separator)
