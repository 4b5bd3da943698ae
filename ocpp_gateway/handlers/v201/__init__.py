"""OCPP 2.0.1."""

from collections.abc import Mapping
from typing import Final

from ocpp_gateway.domain.frames import ErrorCode
from ocpp_gateway.domain.v201.repairs import check_payload
from ocpp_gateway.handlers import notices
from ocpp_gateway.handlers.dialect import Dialect, Payload
from ocpp_gateway.handlers.v201 import core, reports, transactions

# Kept for an operator, and what they are answered. Charging needs are noted, no schedule is made for them.
_KEPT: Final[Mapping[str, Payload]] = {
    "ClearedChargingLimit": {},
    "NotifyChargingLimit": {},
    "NotifyCustomerInformation": {},
    "NotifyDisplayMessages": {},
    "NotifyEVChargingNeeds": {"status": "Rejected"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "NotifyEvent": {},
    "NotifyMonitoringReport": {},
    "PublishFirmwareStatusNotification": {},
    "ReportChargingProfiles": {},
    "ReservationStatusUpdate": {},
}

DIALECT_201: Final = Dialect(
    subprotocol="ocpp2.0.1",
    version="2.0.1",
    check_payload=check_payload,
    handlers={
        "Authorize": core.authorize,
        "BootNotification": core.boot_notification,
        "FirmwareStatusNotification": notices.firmware_status,
        "LogStatusNotification": notices.log_status,
        "MeterValues": transactions.meter_values,
        "NotifyReport": reports.report,
        "SecurityEventNotification": notices.security_event,
        "SignCertificate": notices.sign_certificate,
        "StatusNotification": core.status_notification,
        "TransactionEvent": transactions.transaction_event,
        **{action: reports.kept(action, answer) for action, answer in _KEPT.items()},
    },
    # Answered without the database, so without a thread.
    immediate_handlers={
        "DataTransfer": reports.data_transfer,
        "Get15118EVCertificate": reports.ev_certificate,
        "GetCertificateStatus": reports.certificate_status,
        "Heartbeat": core.heartbeat,
    },
    transaction_actions=transactions.TRANSACTION_ACTIONS,
    remembered_actions=frozenset({"TransactionEvent", "MeterValues", "DataTransfer"}),
    park=transactions.park,
    answer_without_effect=transactions.answer_without_effect,
    sign_of_life=("GetLocalListVersion", {}),
    error_names={
        ErrorCode.FORMATION_VIOLATION: "FormatViolation",
        ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurrenceConstraintViolation",
    },
    answers_malformed=True,
)
