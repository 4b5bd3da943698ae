"""Proving the books: every invariant of the ledger, its wallets, Cdrs and payments, asked of the whole database.

A check is a name, a sentence and a function that yields a finding per row that breaks it. Upper apps add theirs from
their AppConfig with `register_check`; the checks of this app stand in billing.selectors.book_checks.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from billing.selectors.book_checks import CHECKS
from billing.selectors.findings import Finding
from common import clock
from common.errors import VoltledgerError


class BooksDoNotHold(VoltledgerError):
    code = "books_do_not_hold"
    sentence = "The books do not hold. Run manage.py verify_books: it names every row."


@dataclass(frozen=True)
class Check:
    """`sentence` says what holds; `run(now)` yields a finding for each row of which it does not."""

    name: str
    sentence: str
    run: Callable[[datetime], Iterable[Finding]]


@dataclass(frozen=True)
class CheckResult:
    name: str
    sentence: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class BooksReport:
    """Warnings do not break the books: they ask somebody to look."""

    at: datetime
    results: tuple[CheckResult, ...]

    @property
    def findings(self) -> list[Finding]:
        return [finding for result in self.results for finding in result.findings]

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.is_warning]

    @property
    def holds(self) -> bool:
        return not self.errors


_checks: dict[str, Check] = {name: Check(name, sentence, run) for name, sentence, run in CHECKS}


def register_check(name: str, sentence: str, run: Callable[[datetime], Iterable[Finding]]) -> None:
    """Add an upper app's check; from AppConfig.ready. A name registered again is replaced."""
    _checks[name] = Check(name, sentence, run)


def verify(now: datetime | None = None) -> BooksReport:
    """Run every check on one snapshot of the database. Reads only, a fixed number of queries whatever the rows."""
    moment = now or clock.now()
    with _snapshot():
        results = [
            CheckResult(check.name, check.sentence, tuple(check.run(moment))) for check in list(_checks.values())
        ]
    return BooksReport(moment, tuple(results))


def assert_books() -> None:
    """Raises BooksDoNotHold, naming the first findings, when an invariant is broken."""
    errors = verify().errors
    if errors:
        shown = "; ".join(f"{finding.check}: {finding.row} {finding.detail}" for finding in errors[:5])
        raise BooksDoNotHold(f"{BooksDoNotHold.sentence} {len(errors)} rows: {shown}")


@contextmanager
def _snapshot() -> Iterator[None]:
    """What is committed meanwhile is not seen: a session settled between two queries is no contradiction."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
