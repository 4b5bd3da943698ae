"""The mail that a wallet runs low: once each time it falls below LOW_BALANCE, not at each session below it."""

from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from accounts.errors import NoContract
from accounts.models import ContractType
from accounts.selectors.contracts import contract_in_force
from billing.domain.postings import wallet
from billing.models import AutoTopUp, DriverMail, LedgerAccount, LedgerEntry
from billing.services.mails import Kind, queue_mail
from common import clock


def mail_low_balance(*, driver_id: int) -> DriverMail | None:
    """Tell a prepaid driver that the wallet has fallen below LOW_BALANCE; None when there is nothing to tell.

    The ledger itself says when it fell: the mail's key names that movement, so any number of calls is one mail. With
    automatic top-up on, that does what the mail asks for.
    """
    try:
        kind = contract_in_force(driver_id, clock.now()).contract_type
    except NoContract:
        return None
    if kind.wallet_use != ContractType.WalletUse.ONLY:
        return None
    plans = AutoTopUp.objects.filter(driver_id=driver_id, currency=kind.currency, status=AutoTopUp.Status.ON)
    if plans.exists():
        return None
    with transaction.atomic():
        fell_at = _fell_at(driver_id, kind.currency)
        if fell_at is None:
            return None
        key = f"{wallet(driver_id, kind.currency).key}:{fell_at}:low"
        return queue_mail(driver_id=driver_id, kind=Kind.LOW_BALANCE, key=key)


def _fell_at(driver_id: int, currency: str) -> int | None:
    """The number of the movement with which the balance fell below the limit; None while it is not below, or if it
    never was above."""
    account = LedgerAccount.objects.filter(key=wallet(driver_id, currency).key).first()
    if account is None or account.posted >= least():
        return None
    enough = LedgerEntry.objects.filter(account=account, balance_after__gte=least())
    last: int | None = enough.aggregate(last=Max("sequence"))["last"]
    return None if last is None else last + 1


def least() -> Decimal:
    return Decimal(settings.LOW_BALANCE)
