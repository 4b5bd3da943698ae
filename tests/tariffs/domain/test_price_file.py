"""Price files: what is read from them, and every defect by its line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from common.errors import BadInput
from tariffs.domain.price_file import (
    MOST_BYTES,
    PricePoint,
    PriceUnit,
    SeriesTerms,
    check_points,
    read_price_file,
)

BERLIN = SeriesTerms("EUR", 60, "Europe/Berlin")
QUARTERS = SeriesTerms("EUR", 15, "Europe/Berlin")
KWH, MWH = PriceUnit.PER_KWH, PriceUnit.PER_MWH


def read(text: str, terms: SeriesTerms = BERLIN, unit: PriceUnit = KWH) -> list[PricePoint]:
    return read_price_file(text.encode(), terms, unit)


def lines(*rows: str, heading: str = "start,price") -> str:
    return "\n".join((heading, *rows)) + "\n"


def defects(text: str, terms: SeriesTerms = BERLIN, unit: PriceUnit = KWH) -> tuple[str, ...]:
    with pytest.raises(BadInput, match="Nothing was saved") as refusal:
        read(text, terms, unit)
    return refusal.value.details


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


class TestReading:
    def test_offsets_and_the_clock_of_the_series_say_the_same(self):
        expected = [
            PricePoint(utc(2026, 6, 17, 10), Decimal("0.0812")),
            PricePoint(utc(2026, 6, 17, 11), Decimal("-0.01")),
        ]
        assert read(lines("2026-06-17T10:00Z,0.0812", "2026-06-17T11:00Z,-0.01")) == expected
        assert read(lines("2026-06-17T12:00+02:00,0.0812", "2026-06-17T13:00+02:00,-0.01")) == expected
        assert read(lines("2026-06-17 12:00,0.0812", "2026-06-17 13:00,-0.01")) == expected

    def test_a_spreadsheet_with_semicolons_and_decimal_commas(self):
        text = "\ufeffStart;Price;End\r\n2026-06-17 12:00;81,2;2026-06-17 13:00\r\n\r\n"
        assert read(text, unit=MWH) == [PricePoint(utc(2026, 6, 17, 10), Decimal("0.0812"))]

    def test_columns_that_say_what_they_are(self):
        heading = "start,price,currency,unit"
        assert read(lines("2026-06-17T10:00Z,81.2,EUR,EUR/MWh", heading=heading), unit=MWH)[0].price == Decimal(
            "0.0812"
        )

    def test_quarter_hours(self):
        rows = [f"2026-06-17T10:{minute:02}Z,0.1" for minute in (0, 15, 30, 45)]
        assert [point.start_at.minute for point in read(lines(*rows), QUARTERS)] == [0, 15, 30, 45]

    @pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-06-17", 24)])
    def test_days_of_23_and_25_hours_on_the_local_clock(self, day, hours):
        clock = [*range(24)]
        if hours == 25:
            clock.insert(3, 2)
        elif hours == 23:
            clock.remove(2)
        points = read(lines(*[f"{day} {hour:02}:00,0.{index + 10}" for index, hour in enumerate(clock)]))
        assert len(points) == hours
        assert {later.start_at - one.start_at for one, later in pairwise(points)} == {timedelta(hours=1)}

    def test_a_quarter_of_an_hour_at_a_time_through_the_repeated_hour(self):
        hour = [f"2026-10-25 02:{minute:02},0.1" for minute in (0, 15, 30, 45)]
        points = read(lines(*hour, *hour, "2026-10-25 03:00,0.1"), QUARTERS)
        assert (points[0].start_at, points[-1].start_at) == (utc(2026, 10, 25, 0), utc(2026, 10, 25, 2))


class TestDefects:
    def test_every_one_is_named_by_its_line(self):
        text = lines(
            "2026-06-17T10:00Z,0.08",
            "2026-06-17T10:00Z,0.09",
            "2026-06-17T12:00Z,NaN",
            "2026-06-17T12:30Z,0.1",
            "yesterday,0.1",
            "2026-06-17T14:00Z,a lot",
            "2026-06-17T15:00Z",
            "2026-06-17T16:00+05:00,0.1",
        )
        assert defects(text) == (
            "line 3: has the same start as the line before",
            "line 4: NaN is not a price",
            "line 4: a step is missing before it, from 2026-06-17 13:00 +0200 on",
            "line 5: 14:30:00 is not the start of a step of 60 minutes",
            "line 5: begins before the line above it ends",
            "line 6: the start “yesterday” is not a time such as 2026-06-17T14:00+02:00",
            "line 7: “a lot” is not a number",
            "line 8: has 1 cells; the heading has 2",
            "line 9: the start 2026-06-17T16:00+05:00 has another offset than UTC or Europe/Berlin: wrong time zone?",
        )

    def test_missing_steps_are_counted(self):
        text = lines("2026-06-17T10:00Z,0.08", "2026-06-17T20:00Z,0.09")
        assert defects(text) == ("line 3: 9 steps are missing before it, from 2026-06-17 13:00 +0200 on",)

    def test_an_hour_the_clock_skips_betrays_another_time_zone(self):
        text = lines("2026-03-29 01:00,0.08", "2026-03-29 02:00,0.09")
        assert defects(text) == (
            "line 3: the start 2026-03-29 02:00 is skipped by the clock in Europe/Berlin: wrong time zone?",
        )

    def test_the_hour_the_clock_repeats_stands_twice(self):
        text = lines("2026-10-25 02:00,0.08", "2026-10-25 03:00,0.09")
        assert defects(text) == ("line 3: a step is missing before it, from 2026-10-25 02:00 +0100 on",)

    @pytest.mark.parametrize(
        ("text", "unit", "expected"),
        [
            (lines("2026-06-17T10:00Z,81.20"), KWH, "line 2: 81.20 EUR per kWh is too much: is it per MWh?"),
            (
                lines("2026-06-17T10:00Z,0.0812"),
                MWH,
                "line 2: no price reaches 1 EUR per MWh: are they per kWh?",
            ),
            (
                lines("2026-06-17T10:00Z,81.2,EUR/MWh", heading="start,price,unit"),
                KWH,
                "line 2: is per EUR/MWh; per kWh was chosen",
            ),
            (
                lines("2026-06-17T10:00Z,0.2,CHF", heading="start,price,currency"),
                KWH,
                "line 2: is in CHF; the series is in EUR",
            ),
        ],
    )
    def test_units_and_currencies_are_not_guessed(self, text, unit, expected):
        assert expected in defects(text, unit=unit)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", ("line 1: the column start is missing", "line 1: the column price is missing")),
            ("start,price\n", ("line 2: there are no prices",)),
            (
                "time,price,price\n",
                (
                    "line 1: “time” is not a column; there are start, price, end, currency, unit",
                    "line 1: the column start is missing",
                    "line 1: a column stands there twice",
                ),
            ),
            (
                lines("2026-06-17T10:00Z,0.1,2026-06-17T10:30Z", heading="start,price,end"),
                ("line 2: the end must be 60 minutes after the start",),
            ),
            (lines("2026-06-17T10:00Z,1e30"), ("line 2: 1E+30 is too large",)),
            (lines("2026-06-17T10:00Z,0.123456789"), ("line 2: 0.123456789 per kWh has more than 8 decimals",)),
            (lines("0026-06-17T10:00Z,0.1"), ("line 2: the start is not in this century",)),
        ],
    )
    def test_what_else_is_refused(self, text, expected):
        assert defects(text)[: len(expected)] == expected

    def test_hourly_prices_are_not_quarters(self):
        text = lines("2026-06-17T10:00Z,0.1", "2026-06-17T11:00Z,0.1")
        assert defects(text, QUARTERS) == ("line 3: 3 steps are missing before it, from 2026-06-17 12:15 +0200 on",)

    def test_what_is_no_text_and_what_is_too_much(self):
        for content in (b"start,price\n\xff", b"x" * (MOST_BYTES + 1)):
            with pytest.raises(BadInput):
                read_price_file(content, BERLIN, KWH)

    def test_a_file_of_nothing_but_defects_is_not_repeated_in_full(self):
        found = defects(lines(*["x,y"] * 500))
        assert (len(found), found[-1]) == (51, "and 951 more")


class TestPoints:
    def test_they_may_come_in_any_order_and_with_gaps(self):
        later, sooner = (
            PricePoint(utc(2026, 6, 17, 15), Decimal("0.2")),
            PricePoint(utc(2026, 6, 17, 10), Decimal("0.1")),
        )
        assert check_points([later, sooner], BERLIN) == [sooner, later]

    def test_every_defect_is_named_by_its_position(self):
        points = [
            PricePoint(datetime(2026, 6, 17, 10), Decimal("0.1")),  # noqa: DTZ001
            PricePoint(utc(2026, 6, 17, 10), Decimal("Infinity")),
            PricePoint(utc(2026, 6, 17, 10), Decimal("0.1")),
            PricePoint(utc(2026, 6, 17, 11, 7), Decimal("81")),
        ]
        with pytest.raises(BadInput) as refusal:
            check_points(points, BERLIN)
        assert refusal.value.details == (
            "prices[0]: the start must have an offset from UTC",
            "prices[1]: Infinity is not a price",
            "prices[2]: has the same start as prices[1]",
            "prices[3]: 13:07:00 is not the start of a step of 60 minutes",
            "prices[3]: 81 EUR per kWh is too much: is it per MWh?",
        )

    def test_prices_in_small_money_may_be_high(self):
        terms = SeriesTerms("JPY", 60, "Asia/Tokyo")
        assert check_points([PricePoint(utc(2026, 6, 17, 10), Decimal(55))], terms)
