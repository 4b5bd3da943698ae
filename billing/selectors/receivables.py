"""Reading what a driver owes, and how much of it is of their sessions."""

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import F, Sum

from billing.domain.postings import receivable
from billing.models import LedgerAccount
from billing.selectors.payments import open_legs


@dataclass(frozen=True, slots=True)
class Owed:
    """A driver's receivable in one currency; `beside` is what is owed beyond open sessions, below zero what we owe."""

    balance: Decimal
    by_sessions: Decimal
    currency: str

    @property
    def beside(self) -> Decimal:
        return self.balance - self.by_sessions


def owed_by(driver_id: int, currency: str) -> Owed:
    account = LedgerAccount.objects.filter(key=receivable(driver_id, currency).key).first()
    balance = Decimal(0) if account is None else account.posted
    return Owed(balance, owed_by_sessions(driver_id, currency), currency)


def owed_by_sessions(driver_id: int, currency: str) -> Decimal:
    """What is left to pay of a driver's sessions."""
    legs = open_legs(driver_id).filter(cdr__currency=currency).order_by()
    left: Decimal | None = legs.aggregate(left=Sum(F("amount") - F("refunded")))["left"]
    return left or Decimal(0)
