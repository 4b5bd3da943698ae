from tariffs.models.assignments import TariffAssignment
from tariffs.models.tariffs import Tariff, TariffVersion
from tariffs.models.vat import VatRate

__all__ = ["Tariff", "TariffAssignment", "TariffVersion", "VatRate"]
