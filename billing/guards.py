"""Database guards of the billing tables: what the ledger's tables refuse whoever asks."""

from common.guards import Guard, append_only, refuse


def _frozen(table: str, columns: tuple[str, ...], *, message: str) -> Guard:
    """Refuses an UPDATE that changes one of `columns`."""
    changed = " OR ".join(f"(OLD.{column} <> NEW.{column})" for column in columns)
    return refuse(table, "update", name=f"{table}_frozen", message=message, when=changed)


GUARDS = [
    *append_only("billing_ledgertransaction", message="ledger transactions are append-only"),
    *append_only("billing_ledgerentry", message="ledger entries are append-only"),
    *append_only("billing_cdr", message="a charge detail record is never changed"),
    *append_only("billing_costline", message="a cost line is never changed"),
    refuse("billing_ledgeraccount", "delete", name="billing_ledgeraccount_no_delete", message="ledger accounts stay"),
    _frozen("billing_ledgeraccount", ("key", "code", "currency"), message="a ledger account keeps its name"),
    refuse("billing_fundingleg", "delete", name="billing_fundingleg_no_delete", message="funding legs stay"),
    refuse(
        "billing_fundingleg",
        "update",
        name="billing_fundingleg_frozen",
        message="of a funding leg only the state changes",
        when="OLD.amount <> NEW.amount OR OLD.source <> NEW.source OR OLD.seq <> NEW.seq OR OLD.cdr_id <> NEW.cdr_id "
        "OR COALESCE(OLD.lot_id, 0) <> COALESCE(NEW.lot_id, 0)",
    ),
    refuse("billing_walletlot", "delete", name="billing_walletlot_no_delete", message="wallet lots stay"),
    _frozen(
        "billing_walletlot",
        ("account_id", "ledger_transaction_id", "kind", "origin", "amount"),
        message="of a wallet lot only what remains changes",
    ),
    refuse("billing_hold", "delete", name="billing_hold_no_delete", message="holds stay"),
    refuse(
        "billing_hold",
        "update",
        name="billing_hold_frozen",
        message="a hold keeps its terms and is resolved once",
        when="OLD.amount <> NEW.amount OR OLD.charging_session_id <> NEW.charging_session_id "
        "OR OLD.source <> NEW.source OR (OLD.status <> 'active' AND OLD.status <> NEW.status)",
    ),
    # Deferred: a transaction may be written in several statements, but it cannot be committed unbalanced.
    Guard(
        name="billing_ledgerentry_zero_sum",
        table="billing_ledgerentry",
        kind="trigger",
        postgresql=(
            "CREATE OR REPLACE FUNCTION billing_ledgerentry_zero_sum_fn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF (SELECT sum(CASE side WHEN 'debit' THEN amount ELSE -amount END) FROM billing_ledgerentry "
            "WHERE transaction_id = NEW.transaction_id) <> 0 THEN "
            "RAISE EXCEPTION 'the entries of a ledger transaction must sum to zero' "
            "USING ERRCODE = 'integrity_constraint_violation'; END IF; "
            "RETURN NULL; END $$",
            "DROP TRIGGER IF EXISTS billing_ledgerentry_zero_sum ON billing_ledgerentry",
            "CREATE CONSTRAINT TRIGGER billing_ledgerentry_zero_sum AFTER INSERT ON billing_ledgerentry "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_ledgerentry_zero_sum_fn()",
        ),
    ),
]
