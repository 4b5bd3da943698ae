"""Database guards of the accounts tables."""

from common.guards import Guard, append_only

_OVERLAP = "a driver has exactly one contract in force at any moment"

GUARDS = [
    *append_only("accounts_auditevent", message="audit events are append-only"),
    # PostgreSQL excludes overlapping ranges itself; SQLite, with its single writer, needs only look.
    Guard(
        name="contract_no_overlap",
        table="accounts_contract",
        kind="constraint",
        postgresql=(
            "CREATE EXTENSION IF NOT EXISTS btree_gist",
            "ALTER TABLE accounts_contract DROP CONSTRAINT IF EXISTS contract_no_overlap",
            "ALTER TABLE accounts_contract ADD CONSTRAINT contract_no_overlap "
            "EXCLUDE USING gist (driver_id WITH =, tstzrange(starts_at, ends_at) WITH &&)",
        ),
    ),
    *(
        Guard(
            name=f"contract_no_overlap_{operation}",
            table="accounts_contract",
            kind="trigger",
            sqlite=(
                f"DROP TRIGGER IF EXISTS contract_no_overlap_{operation}",
                f"CREATE TRIGGER contract_no_overlap_{operation} "  # noqa: S608 (no value from outside)
                f"BEFORE {operation.upper()} ON accounts_contract "
                "FOR EACH ROW WHEN EXISTS (SELECT 1 FROM accounts_contract other WHERE other.driver_id = NEW.driver_id "
                "AND other.id IS NOT NEW.id "
                "AND (NEW.ends_at IS NULL OR other.starts_at < NEW.ends_at) "
                "AND (other.ends_at IS NULL OR other.ends_at > NEW.starts_at)) "
                f"BEGIN SELECT RAISE(ABORT, '{_OVERLAP}'); END",
            ),
        )
        for operation in ("insert", "update")
    ),
]
