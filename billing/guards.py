"""Database guards of the billing tables: what the ledger's tables refuse whoever asks."""

from common.guards import Guard, append_only, refuse


def _frozen(table: str, *columns: str, message: str) -> Guard:
    """Refuses an UPDATE that changes one of `columns`; one that does not name them is not even looked at."""
    null = "''"
    changed = " OR ".join(
        f"COALESCE(CAST(OLD.{column} AS text), {null}) <> COALESCE(CAST(NEW.{column} AS text), {null})"
        for column in columns
    )
    operation = f"update of {', '.join(columns)}"
    return refuse(table, operation, name=f"{table}_frozen", message=message, when=changed)


GUARDS = [
    *append_only("billing_ledgertransaction", message="ledger transactions are append-only"),
    *append_only("billing_ledgerentry", message="ledger entries are append-only"),
    *append_only("billing_cdr", message="a charge detail record is never changed"),
    *append_only("billing_costline", message="a cost line is never changed"),
    refuse("billing_ledgeraccount", "delete", name="billing_ledgeraccount_no_delete", message="ledger accounts stay"),
    _frozen(
        "billing_ledgeraccount",
        *("key", "code", "currency", "driver_id", "partner_id"),
        message="a ledger account keeps its name and its owner",
    ),
    # What the price was frozen with stays, except where a session nobody could name is given to its customer.
    refuse(
        "billing_chargingsession",
        "update of rating_inputs",
        name="billing_chargingsession_inputs_frozen",
        message="a session keeps the market prices and the month it was authorised with",
        when=(
            "OLD.tariff_version_id IS NOT NULL AND NOT (OLD.contract_id IS NULL AND NEW.contract_id IS NOT NULL)"
            " AND CAST(OLD.rating_inputs AS text) <> CAST(NEW.rating_inputs AS text)"
        ),
    ),
    refuse("billing_fundingleg", "delete", name="billing_fundingleg_no_delete", message="funding legs stay"),
    _frozen(
        "billing_fundingleg",
        *("cdr_id", "seq", "source", "lot_id", "amount"),
        message="of a funding leg only the state changes",
    ),
    refuse("billing_walletlot", "delete", name="billing_walletlot_no_delete", message="wallet lots stay"),
    _frozen(
        "billing_walletlot",
        *("account_id", "ledger_transaction_id", "kind", "origin", "amount", "expires_at"),
        message="of a wallet lot only what remains changes",
    ),
    refuse("billing_hold", "delete", name="billing_hold_no_delete", message="holds stay"),
    _frozen(
        "billing_hold",
        *("idempotency_key", "charging_session_id", "source", "account_id", "method_id", "amount"),
        message="a hold keeps its terms",
    ),
    refuse(
        "billing_hold",
        "update of status",
        name="billing_hold_resolved_once",
        message="a hold is resolved once",
        when="OLD.resolved_at IS NOT NULL AND OLD.status <> NEW.status",
    ),
    refuse("billing_payment", "delete", name="billing_payment_no_delete", message="payments stay"),
    _frozen(
        "billing_payment",
        *("idempotency_key", "driver_id", "funding_leg_id", "amount", "currency", "provider", "is_automatic"),
        message="a payment keeps its terms",
    ),
    *append_only("billing_cdrrevision", message="a revised charge detail record is never changed"),
    refuse("billing_pricecorrection", "delete", name="billing_pricecorrection_no_delete", message="corrections stay"),
    _frozen(
        "billing_pricecorrection",
        *("tariff_id", "document", "digest", "since", "until", "reason", "author_id", "created_at"),
        message="a price correction keeps its terms",
    ),
    refuse(
        "billing_sessioncorrection",
        "delete",
        name="billing_sessioncorrection_no_delete",
        message="what a correction previewed stays",
    ),
    _frozen(
        "billing_sessioncorrection",
        *("correction_id", "charging_session_id", "old_gross", "new_gross", "rating_digest"),
        message="what a correction previewed is kept",
    ),
    refuse("billing_contractmigration", "delete", name="billing_contractmigration_no_delete", message="batches stay"),
    _frozen(
        "billing_contractmigration",
        *("source_id", "target_id", "scheduled_at", "author_id", "created_at"),
        message="a contract migration keeps its terms",
    ),
    refuse(
        "billing_contractmigrationrow",
        "delete",
        name="billing_contractmigrationrow_no_delete",
        message="who was migrated stays known",
    ),
    # How a driver moved is written once; only moving back follows.
    refuse(
        "billing_contractmigrationrow",
        "update",
        name="billing_contractmigrationrow_proof_stays",
        message="what a contract migration proved is kept",
        when=(
            "OLD.moved_at IS NOT NULL AND (OLD.driver_id <> NEW.driver_id OR OLD.migration_id <> NEW.migration_id"
            " OR OLD.new_contract_id <> NEW.new_contract_id OR OLD.balance_before <> NEW.balance_before"
            " OR OLD.balance_after <> NEW.balance_after OR OLD.lots_before <> NEW.lots_before"
            " OR OLD.lots_after <> NEW.lots_after)"
        ),
    ),
    *append_only("billing_sessionrefund", message="a refund is never changed"),
    *append_only("billing_sessionrefundleg", message="what a leg was refunded is never changed"),
    refuse("billing_refund", "delete", name="billing_refund_no_delete", message="card refunds stay"),
    _frozen(
        "billing_refund",
        *("idempotency_key", "payment_id", "amount", "attempt", "retry_of_id"),
        message="a card refund keeps its terms",
    ),
    refuse("billing_debtexemption", "delete", name="billing_debtexemption_no_delete", message="exemptions stay known"),
    _frozen(
        "billing_debtexemption", *("key", "driver_id", "reason", "starts_at"), message="an exemption keeps its terms"
    ),
    refuse("billing_drivermail", "delete", name="billing_drivermail_no_delete", message="what was mailed stays known"),
    _frozen(
        "billing_drivermail",
        *("key", "driver_id", "kind", "payment_id", "hold_id", "charging_session_id"),
        message="a mail stays about what it is about",
    ),
    refuse("billing_dispute", "delete", name="billing_dispute_no_delete", message="disputes stay"),
    _frozen(
        "billing_dispute",
        *("payment_id", "provider", "provider_reference", "amount", "opened_at"),
        message="a dispute keeps its terms",
    ),
    refuse("billing_discrepancy", "delete", name="billing_discrepancy_no_delete", message="differences stay known"),
    refuse("billing_providerevent", "delete", name="billing_providerevent_no_delete", message="provider events stay"),
    # Once per statement: whoever writes a transaction's entries writes them all at once.
    Guard(
        name="billing_ledgerentry_zero_sum",
        table="billing_ledgerentry",
        kind="trigger",
        postgresql=(
            "CREATE OR REPLACE FUNCTION billing_ledgerentry_zero_sum_fn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF EXISTS (SELECT FROM billing_ledgerentry "
            "WHERE transaction_id = ANY(ARRAY(SELECT transaction_id FROM written)) GROUP BY transaction_id "
            "HAVING sum(CASE side WHEN 'debit' THEN amount ELSE -amount END) <> 0) THEN "
            "RAISE EXCEPTION 'the entries of a ledger transaction must sum to zero' "
            "USING ERRCODE = 'integrity_constraint_violation'; END IF; "
            "RETURN NULL; END $$",
            "DROP TRIGGER IF EXISTS billing_ledgerentry_zero_sum ON billing_ledgerentry",
            "CREATE TRIGGER billing_ledgerentry_zero_sum AFTER INSERT ON billing_ledgerentry "
            "REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION billing_ledgerentry_zero_sum_fn()",
        ),
    ),
]
