"""Finding and opening ledger accounts. An account is opened the first time something is posted to it."""

from collections.abc import Iterable

from billing.domain.chain import Tip
from billing.domain.plan import AccountState
from billing.domain.postings import AccountRef, receivable, system, wallet
from billing.models import LedgerAccount
from common.locking import lock_rows


def wallet_account(driver_id: int, currency: str) -> LedgerAccount:
    """The driver's wallet in `currency`; opened when there is none."""
    return open_account(wallet(driver_id, currency))


def receivable_account(driver_id: int, currency: str) -> LedgerAccount:
    """What the driver owes in `currency`; opened when there is none."""
    return open_account(receivable(driver_id, currency))


def system_account(code: str, currency: str, qualifier: str = "") -> LedgerAccount:
    """One of the operator's own accounts (revenue, VAT, clearing); opened when there is none."""
    return open_account(system(code, currency, qualifier))


def open_account(account: AccountRef) -> LedgerAccount:
    """The account named by `account`; opened when there is none. Safe against a second opener."""
    return open_accounts([account])[account.key]


def open_accounts(accounts: Iterable[AccountRef]) -> dict[str, LedgerAccount]:
    """All of `accounts` by key, unlocked; missing ones are opened. One query when all are there."""
    wanted = {account.key: account for account in accounts}
    found = {row.key: row for row in LedgerAccount.objects.filter(key__in=wanted)}
    missing = [account for key, account in sorted(wanted.items()) if key not in found]
    if missing:
        LedgerAccount.objects.bulk_create(
            [
                LedgerAccount(
                    key=account.key,
                    code=account.code,
                    currency=account.currency,
                    driver_id=account.driver_id,
                    partner_id=account.partner_id,
                    qualifier=account.qualifier,
                )
                for account in missing
            ],
            ignore_conflicts=True,
        )
        found = {row.key: row for row in LedgerAccount.objects.filter(key__in=wanted)}
    return found


def lock_accounts(accounts: Iterable[AccountRef]) -> dict[str, AccountState]:
    """Open what is missing, then lock the owners' accounts among `accounts` and read them as they are now, by key.

    Locks: LedgerAccount rows of owners, by primary key. System accounts are never locked: nothing in them changes.
    """
    wanted = list(accounts)
    states = {key: AccountState(id=row.pk) for key, row in open_accounts(wanted).items()}
    owned = [account.key for account in wanted if account.has_owner]
    for row in lock_rows(LedgerAccount.objects.filter(key__in=owned)):
        states[row.key] = state_of(row)
    return states


def state_of(row: LedgerAccount) -> AccountState:
    return AccountState(
        id=row.pk,
        tip=Tip(row.entry_count, row.posted, row.last_hash),
        pending=row.pending,
        overdraft=row.overdraft,
    )
