"""A charging session from the tag to the end. The gateway and the site call these verbs; nothing else writes sessions.

authorise -> request or start -> meter values, charging states -> stop -> (unplug) -> ended. Settlement follows.
"""

from billing.services.sessions.authorising import authorize
from billing.services.sessions.ending import (
    cancel_request,
    charging_state,
    close_overdue_sessions,
    connector_status,
    stop_session,
)
from billing.services.sessions.limits import extend_limits
from billing.services.sessions.metering import record_meter_values, stop_used_up
from billing.services.sessions.requesting import request_ad_hoc_start, request_start, request_stop
from billing.services.sessions.starting import start_session

__all__ = [
    "authorize",
    "cancel_request",
    "charging_state",
    "close_overdue_sessions",
    "connector_status",
    "extend_limits",
    "record_meter_values",
    "request_ad_hoc_start",
    "request_start",
    "request_stop",
    "start_session",
    "stop_session",
    "stop_used_up",
]
