"""Database guards of the gateway's tables."""

from common.guards import append_only

GUARDS = append_only(
    "ocpp_gateway_ocppmessage", deletable=True, message="the message log is append-only; old rows may be pruned"
)
