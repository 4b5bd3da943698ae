"""Statements that run so often that planning them each time would cost more than running them. PostgreSQL only.

The server keeps the plan when the installation allows it (`prepare_threshold` in the database options; not behind a
connection pooler that changes servers between transactions). Otherwise the same statement is planned each time.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from django.db import connection


def fetch_prepared(sql: str, parameter: Any) -> tuple[Any, ...] | None:
    """Run `sql` with its one parameter in the current transaction; its first row, or None.

    Errors are Django's, as from any of its cursors.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(sql, (parameter,), prepare=True).fetchone()


def as_json(document: dict[str, Any]) -> str:
    """Compact JSON. Decimals become strings, which every numeric column reads exactly; moments keep their zone."""
    return json.dumps(document, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form here")
