"""OCPP 1.6 with its security extension."""

from typing import Final

from ocpp_gateway.domain.repairs import check_payload
from ocpp_gateway.handlers import notices
from ocpp_gateway.handlers.dialect import Dialect
from ocpp_gateway.handlers.v16 import core, transactions

DIALECT_16: Final = Dialect(
    subprotocol="ocpp1.6",
    version="1.6",
    check_payload=check_payload,
    handlers={
        "Authorize": core.authorize,
        "BootNotification": core.boot_notification,
        "DiagnosticsStatusNotification": notices.log_status,
        "FirmwareStatusNotification": notices.firmware_status,
        "LogStatusNotification": notices.log_status,
        "MeterValues": transactions.meter_values,
        "SecurityEventNotification": notices.security_event,
        "SignCertificate": notices.sign_certificate,
        "SignedFirmwareStatusNotification": notices.firmware_status,
        "StartTransaction": transactions.start_transaction,
        "StatusNotification": core.status_notification,
        "StopTransaction": transactions.stop_transaction,
    },
    # Answered without the database, so without a thread.
    immediate_handlers={
        "DataTransfer": core.data_transfer,
        "Heartbeat": core.heartbeat,
    },
    transaction_actions=transactions.TRANSACTION_ACTIONS,
    remembered_actions=transactions.TRANSACTION_ACTIONS | {"DataTransfer"},
    park=transactions.park,
    answer_without_effect=transactions.answer_without_effect,
    sign_of_life=("GetConfiguration", {"key": ["HeartbeatInterval"]}),
)
