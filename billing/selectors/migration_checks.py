"""What holds of contract migrations: no balance changed, and the ledger agrees. billing.services.books runs them."""

from billing.selectors.book_queries import CheckRow, nothing, query

_MIGRATIONS_KEPT_BALANCES = """
SELECT 'contract migration ' || item.migration_id || ', driver ' || item.driver_id,
    'had ' || ROUND(item.balance_before, 4) || ' in lots of ' || ROUND(item.lots_before, 4)
    || ', then ' || ROUND(item.balance_after, 4) || ' in lots of ' || ROUND(item.lots_after, 4)
FROM billing_contractmigrationrow item
WHERE item.moved_at IS NOT NULL AND (
    ROUND(item.balance_before - item.balance_after, 4) <> 0 OR ROUND(item.lots_before - item.lots_after, 4) <> 0
    OR ROUND(item.balance_before - item.lots_before, 4) <> 0
)
"""

_MIGRATED_BALANCES_ARE_THE_LEDGERS = """
SELECT 'contract migration ' || item.migration_id || ', driver ' || item.driver_id,
    'noted ' || ROUND(item.balance_before, 4) || ' after entry ' || COALESCE(item.wallet_entries, 0)
    || ', the ledger says ' || ROUND(COALESCE(entry.balance_after, 0), 4)
FROM billing_contractmigrationrow item
LEFT JOIN billing_ledgeraccount wallet ON wallet.driver_id = item.driver_id AND wallet.code = 'wallet'
    AND wallet.currency = item.currency
LEFT JOIN billing_ledgerentry entry ON entry.account_id = wallet.id AND entry.sequence = item.wallet_entries
WHERE item.moved_at IS NOT NULL AND ROUND(item.balance_before - COALESCE(entry.balance_after, 0), 4) <> 0
"""

_MIGRATED_CONTRACTS_MEET = """
SELECT 'contract migration ' || item.migration_id || ', driver ' || item.driver_id,
    'left a contract that ended at ' || COALESCE(CAST(earlier.ends_at AS text), 'no time')
    || ' for one that began at ' || later.starts_at
FROM billing_contractmigrationrow item
JOIN accounts_contract earlier ON earlier.id = item.old_contract_id
JOIN accounts_contract later ON later.id = item.new_contract_id
WHERE item.moved_at IS NOT NULL
    AND (earlier.ends_at IS NULL OR earlier.ends_at <> later.starts_at OR earlier.driver_id <> later.driver_id)
"""

MIGRATION_CHECKS: list[CheckRow] = [
    (
        "migrations_kept_balances",
        "No contract migration changed a balance: before is after, and both are the lots.",
        query("migrations_kept_balances", _MIGRATIONS_KEPT_BALANCES, nothing),
    ),
    (
        "migrated_balances_are_the_ledgers",
        "Every balance a contract migration noted is the one the ledger keeps for that moment.",
        query("migrated_balances_are_the_ledgers", _MIGRATED_BALANCES_ARE_THE_LEDGERS, nothing),
    ),
    (
        "migrated_contracts_meet",
        "Every migrated driver's new contract began when the old one ended.",
        query("migrated_contracts_meet", _MIGRATED_CONTRACTS_MEET, nothing),
    ),
]
