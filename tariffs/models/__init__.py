from tariffs.models.assignments import TariffAssignment
from tariffs.models.price_series import PriceImport, PriceSeries, PriceSeriesValue
from tariffs.models.tariffs import Tariff, TariffVersion
from tariffs.models.vat import VatRate

__all__ = [
    "PriceImport",
    "PriceSeries",
    "PriceSeriesValue",
    "Tariff",
    "TariffAssignment",
    "TariffVersion",
    "VatRate",
]
