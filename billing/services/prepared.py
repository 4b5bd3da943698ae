"""Statements that run so often that planning them each time would cost more than running them. PostgreSQL only.

The server keeps the plan when the installation allows it (`prepare_threshold` in the database options; not behind a
connection pooler that changes servers between transactions). Otherwise the same statement is planned each time.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import psycopg
from django.db import connection


class _PreparingCursor(psycopg.Cursor[tuple[Any, ...]]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> "_PreparingCursor":
        return super().execute(query, params, prepare=True, **options)


def fetch_prepared(sql: str, *parameters: Any) -> tuple[Any, ...] | None:
    """Run `sql` with its parameters in the current transaction; its first row, or None.

    As from any of Django's cursors: its errors, its execute wrappers.
    """
    connection.ensure_connection()
    # What Django wraps is a driver's cursor; its stubs name the wrapper.
    driver_cursor: Any = _PreparingCursor(connection.connection)
    with connection.make_cursor(driver_cursor) as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def as_json(document: object) -> str:
    """Compact JSON. Decimals become strings, which every numeric column reads exactly; moments keep their zone."""
    return orjson.dumps(document, default=_plain).decode()


def moment_of(text: str | None) -> datetime | None:
    """A moment as the server writes it in JSON."""
    return None if text is None else datetime.fromisoformat(text)


def number_of(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form here")
