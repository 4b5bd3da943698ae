from billing.models.ad_hoc import AdHocSession
from billing.models.auto_top_ups import AutoTopUp
from billing.models.cdrs import Cdr, CostLine, FundingLeg
from billing.models.contract_migrations import ContractMigration, ContractMigrationRow
from billing.models.corrections import CdrRevision, PriceCorrection, SessionCorrection
from billing.models.customers import ProviderCustomer
from billing.models.debts import DebtExemption
from billing.models.disputes import Dispute
from billing.models.fake_provider import FakeProviderObject
from billing.models.hold_policies import HoldPolicy
from billing.models.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from billing.models.mails import DriverMail
from billing.models.open_access import OpenAccess
from billing.models.payments import Payment, PaymentMethod, ProviderEvent
from billing.models.reconciliation import Discrepancy, Reconciliation
from billing.models.refunds import Refund, SessionRefund, SessionRefundLeg
from billing.models.replays import ReplayedSession, TariffReplay
from billing.models.sessions import ChargingSession, MeterValue
from billing.models.wallets import Hold, WalletLot

__all__ = [
    "AdHocSession",
    "AutoTopUp",
    "Cdr",
    "CdrRevision",
    "ChargingSession",
    "ContractMigration",
    "ContractMigrationRow",
    "CostLine",
    "DebtExemption",
    "Discrepancy",
    "Dispute",
    "DriverMail",
    "FakeProviderObject",
    "FundingLeg",
    "Hold",
    "HoldPolicy",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerTransaction",
    "MeterValue",
    "OpenAccess",
    "Payment",
    "PaymentMethod",
    "PriceCorrection",
    "ProviderCustomer",
    "ProviderEvent",
    "Reconciliation",
    "Refund",
    "ReplayedSession",
    "SessionCorrection",
    "SessionRefund",
    "SessionRefundLeg",
    "TariffReplay",
    "WalletLot",
]
