from ocpp_gateway.models.certificates import CertificateRequest
from ocpp_gateway.models.commands import Command
from ocpp_gateway.models.configuration import ConfigurationValue
from ocpp_gateway.models.connections import StationConnection
from ocpp_gateway.models.messages import OcppMessage
from ocpp_gateway.models.notices import SecurityEvent, TransferReport
from ocpp_gateway.models.reports import ParkedReport
from ocpp_gateway.models.station_reports import StationReport
from ocpp_gateway.models.transactions import StationTransaction, TransactionReport

__all__ = [
    "CertificateRequest",
    "Command",
    "ConfigurationValue",
    "OcppMessage",
    "ParkedReport",
    "SecurityEvent",
    "StationConnection",
    "StationReport",
    "StationTransaction",
    "TransactionReport",
    "TransferReport",
]
