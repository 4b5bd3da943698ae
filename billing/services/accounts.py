"""Finding and opening ledger accounts. An account is opened the first time something is posted to it."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

from django.db import connection

from billing.domain.chain import Tip
from billing.domain.plan import AccountState
from billing.domain.postings import AccountRef, receivable, system, wallet
from billing.models import LedgerAccount
from billing.services.prepared import as_json, fetch_prepared
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
    """Lock the owners' accounts among `accounts` and read all as they are now, by key; what is missing is opened first.

    Locks: LedgerAccount rows of owners, by primary key. System accounts are never locked: nothing in them changes.
    """
    wanted = {account.key: account for account in accounts}
    read = _lock_prepared if connection.vendor == "postgresql" else _lock_rows
    states = read(wanted)
    if len(states) < len(wanted):
        open_accounts(wanted.values())
        states = read(wanted)
    return states


def _lock_rows(wanted: Mapping[str, AccountRef]) -> dict[str, AccountState]:
    owned = [key for key, account in wanted.items() if account.has_owner]
    states = {row.key: state_of(row) for row in lock_rows(LedgerAccount.objects.filter(key__in=owned))}
    for pk, key in LedgerAccount.objects.filter(key__in=wanted.keys() - set(owned)).values_list("pk", "key"):
        states[key] = AccountState(pk)
    return states


_LOCK = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS t(key text, has_owner boolean)
), owned AS MATERIALIZED (
    SELECT id, key, entry_count, posted, last_hash, pending, overdraft FROM billing_ledgeraccount
    WHERE key = ANY(ARRAY(SELECT key FROM wanted WHERE has_owner)) ORDER BY id FOR NO KEY UPDATE
)
SELECT json_build_array(
    (SELECT json_agg(json_build_array(
        id, key, entry_count, posted::text, last_hash, pending::text, overdraft::text
    )) FROM owned),
    (SELECT json_agg(json_build_array(id, key)) FROM billing_ledgeraccount
        WHERE key = ANY(ARRAY(SELECT key FROM wanted WHERE NOT has_owner)))
)::text
"""


def _lock_prepared(wanted: Mapping[str, AccountRef]) -> dict[str, AccountState]:
    """The same in one statement."""
    keys = [{"key": key, "has_owner": account.has_owner} for key, account in wanted.items()]
    row = fetch_prepared(_LOCK, as_json(keys))
    owned, others = json.loads(row[0]) if row else ((), ())
    states = {key: AccountState(pk) for pk, key in others or ()}
    for pk, key, count, posted, last_hash, pending, overdraft in owned or ():
        states[key] = AccountState(pk, Tip(count, Decimal(posted), last_hash), Decimal(pending), Decimal(overdraft))
    return states


def state_of(row: LedgerAccount) -> AccountState:
    return AccountState(
        id=row.pk,
        tip=Tip(row.entry_count, row.posted, row.last_hash),
        pending=row.pending,
        overdraft=row.overdraft,
    )
