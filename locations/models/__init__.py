from locations.models.places import LegalEntity, Location, Region
from locations.models.stations import ChargePoint, ChargePointModel, Connector, Evse

__all__ = ["ChargePoint", "ChargePointModel", "Connector", "Evse", "LegalEntity", "Location", "Region"]
