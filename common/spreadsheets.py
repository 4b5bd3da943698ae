"""CSV files people open in a spreadsheet."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

_LINES_AT_ONCE = 500

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


class _LinesOnDemand(StreamingHttpResponse):
    """Django collects all of a plain iterator before it answers over ASGI; this takes some lines at a time."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        lines = iter(self)
        while some := await sync_to_async(lambda: list(islice(lines, _LINES_AT_ONCE)))():
            yield b"".join(some)


def csv_file(name: str, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """A UTF-8 CSV download (with its mark), streamed: one line per row, as `rows` yields it.

    Numbers stay numbers, moments are ISO 8601, nothing is an empty cell. Everything else is text, and text a
    spreadsheet would take for a formula is quoted.
    """
    response = _LinesOnDemand(csv_lines(heading, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def csv_lines(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of such a file."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + str(writer.writerow(heading))
    for row in rows:
        yield str(writer.writerow([_cell(value) for value in row]))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
