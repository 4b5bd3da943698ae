from billing.models.cdrs import Cdr, CostLine, FundingLeg
from billing.models.fake_provider import FakeProviderObject
from billing.models.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from billing.models.payments import Payment, PaymentMethod, ProviderEvent
from billing.models.refunds import Refund, SessionRefund, SessionRefundLeg
from billing.models.sessions import ChargingSession, MeterValue
from billing.models.wallets import Hold, WalletLot

__all__ = [
    "Cdr",
    "ChargingSession",
    "CostLine",
    "FakeProviderObject",
    "FundingLeg",
    "Hold",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerTransaction",
    "MeterValue",
    "Payment",
    "PaymentMethod",
    "ProviderEvent",
    "Refund",
    "SessionRefund",
    "SessionRefundLeg",
    "WalletLot",
]
