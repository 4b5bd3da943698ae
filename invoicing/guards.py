"""Database guards of documents: what has been issued is never rewritten, and numbers grow by one."""

from common.guards import Guard, append_only, refuse

# Everything an issued document may no longer change. The PDF's own columns are missing: they are filled once.
FROZEN_COLUMNS = (
    "id",
    "public_id",
    "kind",
    "status",
    "legal_entity_id",
    "driver_id",
    "cdr_id",
    "series_id",
    "sequence",
    "number",
    "issued_at",
    "issued_on",
    "supplied_on",
    "currency",
    "net",
    "vat",
    "gross",
    "language",
    "seller",
    "buyer",
    "content",
    "created_at",
)
_SEALED = "an issued document is never changed; credit it and issue another"
_CHANGED = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in FROZEN_COLUMNS)


def _no_insert_once_issued(table: str) -> Guard:
    """A row cannot be added to a document that has been issued. (PostgreSQL allows no subquery in WHEN.)"""
    name = f"{table}_no_late_insert"
    is_issued = "EXISTS (SELECT 1 FROM invoicing_document WHERE id = NEW.document_id AND status = 'issued')"
    return Guard(
        name=name,
        table=table,
        kind="trigger",
        postgresql=(
            f"CREATE OR REPLACE FUNCTION {name}_fn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {is_issued} THEN RAISE EXCEPTION '{_SEALED}' USING ERRCODE = 'integrity_constraint_violation'; "
            "END IF; RETURN NEW; END $$",
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {name}_fn()",
        ),
        sqlite=(
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW WHEN {is_issued} "
            f"BEGIN SELECT RAISE(ABORT, '{_SEALED}'); END",
        ),
    )


GUARDS = [
    refuse(
        "invoicing_document",
        "update",
        name="document_sealed",
        message=_SEALED,
        when=f"OLD.status = 'issued' AND ({_CHANGED})",
    ),
    refuse(
        "invoicing_document",
        "update",
        name="document_rendered_once",
        message="the PDF of a document is made once",
        when="OLD.pdf_digest <> ''",
    ),
    refuse(
        "invoicing_document",
        "delete",
        name="document_issued_no_delete",
        message=_SEALED,
        when="OLD.status = 'issued'",
    ),
    *append_only("invoicing_documentline", message="document lines are append-only"),
    _no_insert_once_issued("invoicing_documentline"),
    *append_only("invoicing_documentvattotal", message="VAT totals of documents are append-only"),
    _no_insert_once_issued("invoicing_documentvattotal"),
    refuse(
        "invoicing_numberseries",
        "update",
        name="number_series_grows_by_one",
        message="document numbers grow by one and never go back",
        when="NEW.last_number <> OLD.last_number + 1",
    ),
    refuse(
        "invoicing_numberseries",
        "delete",
        name="number_series_no_delete",
        message="a number series is kept for ever",
        when="OLD.last_number > 0",
    ),
]
