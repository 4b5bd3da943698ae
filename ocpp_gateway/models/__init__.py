from ocpp_gateway.models.commands import Command
from ocpp_gateway.models.connections import StationConnection
from ocpp_gateway.models.messages import OcppMessage
from ocpp_gateway.models.reports import ParkedReport

__all__ = ["Command", "OcppMessage", "ParkedReport", "StationConnection"]
