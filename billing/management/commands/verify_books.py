"""`manage.py verify_books [--json]`: proves every ledger and document invariant."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.services.books import BooksReport, verify


class Command(BaseCommand):
    help = "Prove every invariant of the books. Exits with 1 and names the rows when one does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        report = verify()
        if options["json"]:
            self.stdout.write(json.dumps(_document(report), indent=2))
        else:
            self._tell(report)
        if not report.holds:
            raise CommandError(f"The books do not hold: {len(report.errors)} rows.", returncode=1)

    def _tell(self, report: BooksReport) -> None:
        for result in report.results:
            words = "ok" if not result.findings else f"{len(result.findings)} rows"
            self.stdout.write(f"{result.sentence} {words}")
            for finding in result.findings:
                kind = "warning: " if finding.is_warning else ""
                self.stdout.write(f"    {kind}{finding.row} {finding.detail}")


def _document(report: BooksReport) -> dict[str, Any]:
    return {
        "ok": report.holds,
        "at": report.at.isoformat(),
        "checks": [
            {"name": result.name, "sentence": result.sentence, "rows": len(result.findings)}
            for result in report.results
        ],
        "findings": [
            {
                "check": finding.check,
                "row": finding.row,
                "detail": finding.detail,
                "level": "warning" if finding.is_warning else "error",
            }
            for finding in report.findings
        ],
    }
