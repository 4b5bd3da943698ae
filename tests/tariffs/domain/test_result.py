"""Explanations, unknown VAT, refusals, and rounding to money."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.domain.ocpi import parse_tariff
from tariffs.domain.rating import CompiledTariff, compile_document, compile_tariff, rate
from tariffs.domain.result import LineKind, RoundingPolicy, VatUnknown
from tariffs.domain.spec import Period, PeriodState

START = datetime(2026, 6, 17, 19, 30, tzinfo=UTC)
NIGHT = {
    "currency": "EUR",
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": Decimal("0.30"), "step_size": 1}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00", "day_of_week": ["WEDNESDAY", "THURSDAY"]},
        },
        {"price_components": [{"type": "ENERGY", "price": Decimal("0.60"), "step_size": 1000}]},
        {
            "price_components": [{"type": "PARKING_TIME", "price": 6, "step_size": 1}],
            "restrictions": {"min_duration": 7200},
        },
    ],
}


def night() -> CompiledTariff:
    return compile_tariff(parse_tariff(NIGHT), "Europe/Berlin")


def session() -> list[Period]:
    turn = START + timedelta(hours=1)
    return [
        Period(START, turn, energy_wh=Decimal(10_400)),
        Period(turn, turn + timedelta(hours=2), PeriodState.PARKED),
    ]


def test_a_line_says_why() -> None:
    rated = rate(night(), session())
    dear, cheap, parking = rated.lines
    assert (cheap.kind, cheap.element, cheap.quantity, cheap.net) == (
        LineKind.ENERGY,
        0,
        Fraction("5.2"),
        Decimal("1.56"),
    )
    assert [(word.code, word.words) for word in cheap.matched] == [
        ("weekdays", "Wed, Thu"),
        ("time_of_day", "22:00–06:00"),
    ]
    assert cheap.skipped == ()
    assert (cheap.start_at, cheap.end_at) == (START + timedelta(minutes=30), START + timedelta(hours=1))
    assert (dear.element, dear.start_at, dear.end_at) == (1, START, START + timedelta(minutes=30))
    assert [(skip.element, [word.words for word in skip.unmet]) for skip in dear.skipped] == [
        (0, ["Wed, Thu", "22:00–06:00"])
    ]
    assert (parking.quantity, parking.first_period, parking.last_period, parking.unit) == (Fraction(1), 1, 1, "h")
    (free,) = rated.free
    assert (free.kind, free.quantity, free.skipped[0].unmet[0].words) == (
        LineKind.PARKING_TIME,
        Fraction(1),
        "≥ 7200 s",
    )


def test_what_was_measured_stands_beside_what_is_billed() -> None:
    day = [Period(START, START + timedelta(minutes=10), energy_wh=Decimal(1500))]
    (line,) = rate(night(), day).lines
    assert (line.measured, line.quantity, line.step_size) == (Fraction("1.5"), Fraction(2), 1000)


def test_vat_comes_from_the_caller_where_the_tariff_states_none() -> None:
    unknown = rate(night(), session())
    assert unknown.total_gross is None
    with pytest.raises(VatUnknown):
        unknown.payable()
    known = rate(night(), session(), default_vat_percent=Decimal(19))
    assert known.total_net == unknown.total_net == Decimal("10.68")
    assert known.payable().gross == Decimal("12.71")
    assert known.digest != unknown.digest


def test_compiled_once_per_text_and_zone() -> None:
    text = '{"currency": "EUR", "elements": [{"price_components": [{"type": "FLAT", "price": 1, "step_size": 1}]}]}'
    assert compile_document(text, "UTC") is compile_document(text, "UTC")
    assert compile_document(text, "UTC") is not compile_document(text, "Europe/Berlin")


def test_periods_must_follow_each_other() -> None:
    one, two = session()
    gap = replace(two, start_at=two.start_at + timedelta(seconds=1))
    for periods, words in (
        ([], "at least one period"),
        ([one, gap], "period 1 does not start"),
        ([replace(one, state=PeriodState.RESERVED, energy_wh=Decimal(0)), gap], "period 1 does not start"),
    ):
        with pytest.raises(ValueError, match=words):
            rate(night(), periods)


def test_a_reservation_cannot_follow_charging() -> None:
    one, two = session()
    with pytest.raises(ValueError, match="reservation"):
        rate(night(), [one, replace(two, state=PeriodState.RESERVED)])


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        ("1.005", 2, "1.01"),
        ("1.004999", 2, "1.00"),
        ("-1.005", 2, "-1.01"),
        ("-1.004", 2, "-1.00"),
        ("166.5", 0, "167"),
        ("0.0005", 3, "0.001"),
        ("7", 2, "7.00"),
    ],
)
def test_half_up_to_the_exponent(value: str, places: int, expected: str) -> None:
    assert str(RoundingPolicy(places).round(Fraction(value))) == expected


@given(st.decimals(-1000, 1000, places=6), st.integers(0, 4))
def test_rounding_is_decimals_own(value: Decimal, places: int) -> None:
    quantum = Decimal(1).scaleb(-places)
    assert RoundingPolicy(places).round(Fraction(value)) == value.quantize(quantum, rounding="ROUND_HALF_UP")
    even = RoundingPolicy(places, ROUND_HALF_EVEN)
    assert even.round(Fraction(value)) == value.quantize(quantum, rounding=ROUND_HALF_EVEN)


def test_a_third_is_rounded_from_the_exact_value() -> None:
    assert RoundingPolicy(2).round(Fraction(2, 3)) == Decimal("0.67")
