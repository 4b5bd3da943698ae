from tariffs.admin.assignments import TariffAssignmentAdmin
from tariffs.admin.tariffs import TariffAdmin, TariffVersionAdmin
from tariffs.admin.vat import VatRateAdmin

__all__ = ["TariffAdmin", "TariffAssignmentAdmin", "TariffVersionAdmin", "VatRateAdmin"]
