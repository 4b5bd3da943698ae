"""CSV files people open in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from django.http import StreamingHttpResponse

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | Decimal | datetime | None


class _Echo:
    def write(self, line: str) -> str:
        return line


def csv_file(name: str, heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> StreamingHttpResponse:
    """A UTF-8 CSV download. Text a spreadsheet would run is quoted; numbers stay numbers, moments are ISO 8601."""
    response = StreamingHttpResponse(_lines(heading, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + str(writer.writerow(heading))
    for row in rows:
        yield str(writer.writerow([_cell(value) for value in row]))


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
