from tariffs.admin.assignments import TariffAssignmentAdmin
from tariffs.admin.price_series import PriceImportAdmin, PriceSeriesAdmin
from tariffs.admin.tariffs import TariffAdmin, TariffVersionAdmin
from tariffs.admin.vat import VatRateAdmin

__all__ = [
    "PriceImportAdmin",
    "PriceSeriesAdmin",
    "TariffAdmin",
    "TariffAssignmentAdmin",
    "TariffVersionAdmin",
    "VatRateAdmin",
]
