"""Documents are exact where the site is brief."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel import Locale

from invoicing.domain import formats
from invoicing.domain.numbering import document_number

ENGLISH = Locale.parse("en_150")
GERMAN = Locale.parse("de")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (50, "50 s"), (720, "12 min"), (750, "12 min 30 s"), (4320, "1 h 12 min"), (3605, "1 h 00 min 05 s")],
)
def test_duration_loses_nothing(seconds, words):
    assert formats.duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (datetime(2026, 11, 20, 13, 2, tzinfo=UTC), datetime(2026, 11, 20, 14, 14, tzinfo=UTC), "14:02 – 15:14 CET"),
        (
            datetime(2026, 11, 20, 22, 10, tzinfo=UTC),
            datetime(2026, 11, 21, 0, 5, tzinfo=UTC),
            "23:10 – 21 November 2026, 01:05 CET",
        ),
        # The hour that happens twice: an hour and a half, not half an hour.
        (
            datetime(2026, 10, 25, 0, 15, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 45, tzinfo=UTC),
            "02:15 CEST – 02:45 CET",
        ),
    ],
)
def test_span_is_local_and_unambiguous(start, end, words):
    assert formats.span(start, end, "Europe/Berlin", ENGLISH) == words


def test_quantities_dates_and_percents_follow_the_locale():
    assert formats.quantity(Decimal("1203.5"), "kWh", GERMAN) == "1.203,500\N{NO-BREAK SPACE}kWh"
    assert formats.percent(Decimal("5.500"), GERMAN) == "5,5\N{NO-BREAK SPACE}%"
    assert formats.percent(Decimal("19.000"), ENGLISH) == "19\N{NO-BREAK SPACE}%"
    assert formats.day(date(2026, 11, 20), GERMAN) == "20. November 2026"


def test_number_of_a_document():
    assert document_number(prefix="VL", kind="receipt", year=2026, sequence=123) == "VL-R-2026-000123"
