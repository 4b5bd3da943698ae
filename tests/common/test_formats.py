from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import translation

from common.formats import (
    day_words,
    duration_words,
    energy_words,
    exact_duration_words,
    exact_energy_words,
    money_words,
    number_words,
    percent_words,
    power_words,
    span_words,
    unit_price_words,
)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("language", "amount", "price"),
    [
        ("en", "1,210.20 €", "0.476 €"),
        ("de", "1.210,20 €", "0,476 €"),
        ("nl", "€ 1.210,20", "€ 0,476"),
        ("tlh", "1,210.20 €", "0.476 €"),
    ],
)
def test_amounts_follow_the_reader_s_language(language: str, amount: str, price: str) -> None:
    with translation.override(language):
        assert plain(money_words(Decimal("1210.2"), "EUR")) == amount
        assert plain(unit_price_words(Decimal("0.476"), "EUR")) == price


@pytest.mark.parametrize(
    ("price", "currency", "words"),
    [
        ("0.5", "EUR", "0.50 €"),
        ("0.05949", "EUR", "0.0595 €"),
        ("0.1190", "EUR", "0.119 €"),
        ("12", "JPY", "12 JP¥"),
        ("0.1234", "KWD", "0.1234 KWD"),
    ],
)
def test_a_unit_price_has_the_places_it_needs_and_no_fewer_than_its_currency(
    price: str, currency: str, words: str
) -> None:
    assert plain(unit_price_words(Decimal(price), currency)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (50, "50 s"), (240, "4 min"), (5_000, "1 h 23 min"), (86_400 + 3_600, "1 d 1 h"), (-5, "0 s")],
)
def test_durations_are_as_exact_as_a_person_needs(seconds: int, words: str) -> None:
    assert duration_words(seconds) == words


def test_energy_power_and_numbers_drop_empty_places() -> None:
    assert energy_words(Decimal("12345.6")) == "12.35 kWh"
    assert energy_words(Decimal(5500)) == "5.5 kWh"
    assert power_words(Decimal(10_840)) == "10.8 kW"
    assert number_words(Decimal("1234.500"), 3) == "1,234.5"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (50, "50 s"), (720, "12 min"), (750, "12 min 30 s"), (4320, "1 h 12 min"), (3605, "1 h 00 min 05 s")],
)
def test_an_exact_duration_loses_nothing(seconds: int, words: str) -> None:
    assert plain(exact_duration_words(seconds)) == words


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
def test_a_span_is_local_and_unambiguous(start: datetime, end: datetime, words: str) -> None:
    assert plain(span_words(start, end, "Europe/Berlin")) == words


def test_exact_energy_days_and_percents_follow_the_reader_s_language() -> None:
    with translation.override("de"):
        assert exact_energy_words(Decimal("1203.5")) == "1.203,500\N{NO-BREAK SPACE}kWh"
        assert percent_words(Decimal("5.500")) == "5,5\N{NO-BREAK SPACE}%"
        assert day_words(date(2026, 11, 20)) == "20. November 2026"
    assert percent_words(Decimal("19.000")) == "19\N{NO-BREAK SPACE}%"
