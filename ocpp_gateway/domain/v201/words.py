"""Our reasons and statuses in the words of OCPP 2.0.1. Pure."""

from collections.abc import Mapping
from typing import Any, Final

# Our reasons to refuse a tag (AuthorizationStatusEnumType); any other reason is Invalid.
_AUTHORIZATION_STATUS: Final[Mapping[str, str]] = {
    "accepted": "Accepted",
    "unknown_token": "Unknown",
    "token_blocked": "Blocked",
    "driver_blocked": "Blocked",
    "token_expired": "Expired",
    "connector_busy": "ConcurrentTx",
    "insufficient_funds": "NoCredit",
    "no_payment_method": "NoCredit",
    "open_debt": "NoCredit",
}
# A chargingState as the connector status that OCPP 1.6 has a word for and our pages show.
CONNECTOR_STATUS: Final[Mapping[str, str]] = {
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
}


def id_token_info(code: str, *, group: str = "") -> dict[str, Any]:
    """The idTokenInfo of an answer; `group` lets every card of the same driver end what one of them began."""
    info: dict[str, Any] = {"status": _AUTHORIZATION_STATUS.get(code, "Invalid")}
    if group and info["status"] == "Accepted":
        info["groupIdToken"] = {"idToken": group, "type": "Central"}
    return {"idTokenInfo": info}
