from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.translation import gettext_lazy

from common.spreadsheets import csv_file


def written(*row: object) -> str:
    response = csv_file("sessions.csv", ["Value"], [row])
    heading, line = response.getvalue().decode().split("\r\n")[:2]
    assert heading == "\ufeffValue"
    return line


def test_it_is_a_download_in_utf_8() -> None:
    response = csv_file("sessions.csv", ["Ort"], [["Köln"]])
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="sessions.csv"'
    assert response.getvalue().decode("utf-8-sig") == "Ort\r\nKöln\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\tx"])
def test_text_a_spreadsheet_would_take_for_a_formula_is_quoted(text: str) -> None:
    assert written(text) == f"'{text}"
    assert written(gettext_lazy(text)) == f"'{text}"


def test_a_return_that_would_begin_a_formula_is_quoted() -> None:
    assert written("\r=1", "x") == '"\'\r=1",x'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Decimal("-4.00"), "-4.00"),
        (Decimal("1E+3"), "1000"),
        (-7, "-7"),
        (True, "True"),
        (datetime(2026, 11, 20, 8, 0, tzinfo=UTC), "2026-11-20T08:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("a = b", "a = b"),
    ],
)
def test_numbers_and_moments_stay_what_they_are(value: object, words: str) -> None:
    assert written(value) == words


def test_nothing_is_an_empty_cell() -> None:
    assert written(None, 0) == ",0"


async def test_over_asgi_lines_are_made_as_they_are_taken() -> None:
    made: list[int] = []

    def rows() -> Iterator[list[object]]:
        for number in range(2_000):
            made.append(number)
            yield [number]

    parts = aiter(csv_file("sessions.csv", ["Value"], rows()))

    first = await anext(parts)
    assert first.startswith("\ufeffValue\r\n0\r\n".encode())
    assert len(made) < 1_000
    rest = b"".join([part async for part in parts])
    assert (first + rest).decode().split("\r\n")[-2:] == ["1999", ""]
    assert len(made) == 2_000
