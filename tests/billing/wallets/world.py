"""Wallets and the cards behind them: Ada on a wallet contract, what the bank took and what the books say."""

from decimal import Decimal
from uuid import UUID, uuid4

from accounts.models import ContractType, Driver
from billing.models import FakeProviderObject, LedgerEntry, Payment, WalletLot
from billing.selectors.book_checks import CHECKS
from billing.selectors.wallets import wallet_of
from billing.services.top_ups import top_up
from common import clock
from tests.billing.factories import eur
from tests.factories import ContractFactory, ContractTypeFactory, DriverFactory


def wallet_driver(**contract_type: object) -> Driver:
    """Ada, who pays from her wallet and may top it up."""
    driver: Driver = DriverFactory()
    kind: ContractType = ContractTypeFactory(wallet=True, **contract_type)
    ContractFactory(driver=driver, contract_type=kind)
    return driver


def top_up_of(driver: Driver, amount: str = "25.00", *, key: UUID | None = None) -> Payment:
    return top_up(driver_id=driver.pk, amount=eur(amount), key=key or uuid4())


def taken_at_bank() -> Decimal:
    """What the fake bank took of everybody, whatever our own books say."""
    payments = FakeProviderObject.objects.filter(kind="payment")
    return sum((Decimal(payment.data["captured"]) for payment in payments), Decimal(0))


def cleared() -> Decimal:
    """What our clearing account says the provider holds for us."""
    entries = LedgerEntry.objects.filter(account__code="psp_clearing").values_list("side", "amount")
    return sum((amount if side == "debit" else -amount for side, amount in entries), Decimal(0))


def balance(driver: Driver) -> Decimal:
    return wallet_of(driver.pk).balance.amount


def lots(driver: Driver) -> list[tuple[str, str, Decimal]]:
    """Kind, origin and what remains of each lot, oldest first."""
    rows = WalletLot.objects.filter(account__driver=driver).order_by("pk")
    return list(rows.values_list("kind", "origin", "remaining"))


def broken() -> list[str]:
    """The names of the invariants of the books that do not hold now."""
    return sorted({finding.check for _, _, run in CHECKS for finding in run(clock.now())})
