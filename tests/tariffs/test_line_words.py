"""Every kind of cost line and every reason for a price has words, those that are added later included."""

import ast
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import translation

import tariffs.domain
from tariffs.domain.result import LineKind
from tariffs.domain.spec import Dimension, Element, PriceComponent, ReservationRestriction, Restrictions, TariffSpec
from tariffs.domain.words import conditions_of
from tariffs.line_words import (
    NAMED,
    SUBJECTS,
    calculation_words,
    detail_words,
    kind_words,
    reason_words,
    rule_words,
    why_words,
)

EVERY_RESTRICTION = Restrictions(
    start_time=time(9),
    end_time=time(18),
    start_date=date(2026, 1, 1),
    end_date=date(2027, 1, 1),
    min_kwh=Decimal(1),
    min_current=Decimal(1),
    min_power=Decimal(1),
    min_duration=60,
    days=frozenset({1}),
    reservation=ReservationRestriction.RESERVATION,
)


def _codes_in_the_engine() -> set[str]:
    """The codes of all conditions the engine makes, read from its source where they are written out."""
    codes = {condition.code for condition in conditions_of(EVERY_RESTRICTION)}
    for file in Path(tariffs.domain.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Condition":
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    codes.add(str(code.value))
    return codes


@pytest.mark.parametrize("kind", LineKind)
def test_every_kind_of_line_has_words(kind: LineKind) -> None:
    assert kind_words(kind.value) not in ("", kind.value)


def test_every_condition_of_the_engine_has_words() -> None:
    assert _codes_in_the_engine() == SUBJECTS.keys() | NAMED.keys()


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        ("free_energy", "first 2.5 kWh free", "the first 2.5 kWh are free"),
        ("free_time", "first 30 min free", "the first 30 min are free"),
        ("idle_grace", "15 min after charging ended", "the first 15 min after charging are free"),
        ("idle_free_hours", "no idle fee 22:00–06:00", "parking is free 22:00–06:00"),
        ("idle_cap", "at most 12 EUR for parking", "reduced to the most that parking may cost in a session"),
        ("tier", "20–1000 kWh of the month", "price by quantity: 20 to 1,000 kWh of the month"),
        ("tier", "from 100 kWh of the session", "price by quantity: from 100 kWh of the session on"),
        ("spot", "DE-LU 0.09 × 1.1 + 0.15", "follows the electricity exchange: DE-LU 0.09 × 1.1 + 0.15"),
        (
            "spot_fallback",
            "DE-LU has no price",
            "the fixed price for times without a price of the electricity exchange",
        ),
        (
            "spot_fallback",
            "DE-LU has no price from 2026-06-17 14:00 until 2026-06-17 15:00: fallback",
            "the fixed price for times without a price of the electricity exchange: from 2026-06-17 14:00 until "
            "2026-06-17 15:00",
        ),
        (
            "spot_fallback",
            "DE-LU has no price from 2026-06-17 14:00: fallback",
            "the fixed price for times without a price of the electricity exchange: from 2026-06-17 14:00 on",
        ),
        ("connection_fee", "≥ 30 min or ≥ 10 kWh", "for a session of ≥ 30 min or ≥ 10 kWh"),
        ("service_fee", "once per session", "once per session"),
        ("service_fee", "2.5 % of energy", "2.5 % of what the energy costs"),
        ("service_fee", "5 % of time", "5 % of what the time costs"),
        ("service_fee", "5 % of all lines", "5 % of what the session costs"),
        ("duration", "≥ 7200 s", "duration ≥ 2 h"),
        ("weekdays", "Mon, Tue", "Mon, Tue"),
    ],
)
def test_reasons_in_words(code: str, words: str, expected: str) -> None:
    assert reason_words({"code": code, "words": words}).replace("\N{NO-BREAK SPACE}", " ") == expected


def test_weekdays_and_prices_are_told_in_the_reader_s_language() -> None:
    with translation.override("de"):
        assert reason_words({"code": "weekdays", "words": "Mon, Tue"}) == "Mo, Di"
        words = calculation_words("ENERGY", "kWh", Decimal("12.5"), Decimal("0.476"), "EUR")
    assert words.replace("\N{NO-BREAK SPACE}", " ") == "12,5 kWh × 0,476 €/kWh"


SPEC = TariffSpec(
    "EUR",
    (
        Element((PriceComponent(Dimension.ENERGY, Decimal("0.2")),), Restrictions(days=frozenset({6, 7}))),
        Element((PriceComponent(Dimension.TIME, Decimal(6), step_size=900),)),
    ),
)
APPLIED = {
    "kind": "TIME",
    "unit": "h",
    "element": 1,
    "step_size": 900,
    "quantity": "0.75",
    "measured": "0.7",
    "skipped": [{"element": 0, "unmet": [{"code": "weekdays", "words": "Sat, Sun"}]}],
}


def test_a_driver_and_an_operator_read_the_same_reasons_in_their_own_names() -> None:
    used = "42 min used, counted in steps of 15 min."
    assert why_words(APPLIED, SPEC) == [
        "This price applies at all times.",
        "Another price of this tariff did not apply: it needs “Saturday and Sunday”.",
        used,
    ]
    assert why_words(APPLIED, SPEC, rule=rule_words) == [
        "Rule 2 applies: always.",
        "Rule 1 did not apply: it needs “Saturday and Sunday”.",
        used,
    ]
    # A tariff nobody has any more says nothing of its elements.
    assert why_words(APPLIED, None) == [used]
    assert why_words({"kind": "MIN_PRICE"}, SPEC) == [
        "The tariff has a lowest price for a session, and this session did not reach it."
    ]


def test_a_fee_on_a_document_says_why() -> None:
    matched = [{"code": "connection_fee", "words": "≥ 30 min and ≥ 10 kWh"}]
    assert detail_words("CONNECTION_FEE", {"matched": matched}) == "for a session of ≥ 30 min and ≥ 10 kWh"
