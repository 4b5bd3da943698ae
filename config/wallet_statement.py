"""The statement of a wallet as a file."""

from collections.abc import Iterator

from django.http import HttpResponseBase
from django.utils.translation import gettext as _

from billing.selectors.wallets import StatementRow, statement
from common.spreadsheets import csv_file
from config.selectors.wallet_words import event_words


def statement_file(driver_id: int) -> HttpResponseBase:
    """A wallet's statement as CSV, for its driver or an operator."""
    heading = [
        _("Number"),
        _("Date"),
        _("What"),
        _("Reference"),
        _("Note"),
        _("Change"),
        _("Balance"),
        _("Currency"),
        _("Previous hash"),
        _("Entry hash"),
    ]
    rows: Iterator[list[object]] = (_cells(row) for row in statement(driver_id))
    return csv_file("wallet.csv", heading, rows)


def _cells(row: StatementRow) -> list[object]:
    return [
        row.number,
        row.at,
        event_words(row.event),
        row.reference,
        row.note,
        row.change.amount,
        row.balance.amount,
        str(row.balance.currency),
        row.previous_hash,
        row.hash,
    ]
