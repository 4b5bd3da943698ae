from ocpp_gateway.admin import commands, records, reports

__all__ = ["commands", "records", "reports"]
