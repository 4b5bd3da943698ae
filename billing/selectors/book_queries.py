"""How a check of the books asks the database: one set-based query that yields the rows that break it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import connection

from billing.selectors.findings import Finding

Run = Callable[[datetime], Iterable[Finding]]
# Name, the sentence that holds, and what finds the rows of which it does not.
CheckRow = tuple[str, str, Run]


def query(check: str, sql: str, parameters: Callable[[datetime], list[Any]], *, is_warning: bool = False) -> Run:
    """A check whose query answers with a row's label and what is wrong with it."""

    def run(now: datetime) -> Iterator[Finding]:
        with connection.cursor() as cursor:
            cursor.execute(sql, [_parameter(value) for value in parameters(now)])
            for row, detail in cursor.fetchall():
                yield Finding(check, row, detail, is_warning)

    return run


def nothing(now: datetime) -> list[Any]:
    """For a query without parameters."""
    return []


def _parameter(value: Any) -> Any:
    """SQLite compares moments as text, in the form in which they are stored."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
