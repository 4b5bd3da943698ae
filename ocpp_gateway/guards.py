"""Database guards of the gateway's tables."""

from common.guards import append_only

GUARDS = (
    *append_only(
        "ocpp_gateway_ocppmessage", deletable=True, message="the message log is append-only; old rows may be pruned"
    ),
    *append_only("ocpp_gateway_securityevent", message="security events are kept as they were reported"),
    *append_only("ocpp_gateway_transferreport", message="firmware and log reports are kept as they came"),
)
