"""Portal pages that need more than one app. Imported by Django's admin autodiscovery."""

from config.admin.ad_hoc import AdHocSessionAdmin
from config.admin.api_keys import ApiKeyAdmin
from config.admin.contract_migrations import ContractMigrationAdmin
from config.admin.contract_types import ContractTypeAdmin
from config.admin.corrections import PriceCorrectionAdmin
from config.admin.customers import DriverAdmin
from config.admin.disputes import DisputeAdmin
from config.admin.locations import LocationAdmin
from config.admin.mails import DriverMailAdmin
from config.admin.network import ChargePointAdmin, EvseAdmin
from config.admin.open_access import OpenAccessAdmin
from config.admin.payments import PaymentAdmin
from config.admin.reconciliation import DiscrepancyAdmin, ReconciliationAdmin
from config.admin.refunds import RefundAdmin, SessionRefundAdmin
from config.admin.replays import TariffReplayAdmin
from config.admin.sessions import ChargingSessionAdmin
from config.admin.system import FailedTaskAdmin, RoleAdmin, ScheduleAdmin

__all__ = [
    "AdHocSessionAdmin",
    "ApiKeyAdmin",
    "ChargePointAdmin",
    "ChargingSessionAdmin",
    "ContractMigrationAdmin",
    "ContractTypeAdmin",
    "DiscrepancyAdmin",
    "DisputeAdmin",
    "DriverAdmin",
    "DriverMailAdmin",
    "EvseAdmin",
    "FailedTaskAdmin",
    "LocationAdmin",
    "OpenAccessAdmin",
    "PaymentAdmin",
    "PriceCorrectionAdmin",
    "ReconciliationAdmin",
    "RefundAdmin",
    "RoleAdmin",
    "ScheduleAdmin",
    "SessionRefundAdmin",
    "TariffReplayAdmin",
]
