"""Publish checks of the prices themselves: each names its place; gaps and overlaps are decided, not sampled."""

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tariffs.domain.calendar import matches_local
from tariffs.domain.coverage import Space
from tariffs.domain.findings import Finding
from tariffs.domain.lint import LintContext, lint
from tariffs.domain.ocpi import MOST_ELEMENTS, parse_tariff
from tariffs.domain.spec import Dimension, PriceLimit, Restrictions, TariffSpec
from tests.tariffs.domain.strategies import tariffs

TODAY = date(2026, 11, 21)


def tariff(*elements: dict[str, Any], **fields: Any) -> TariffSpec:
    return parse_tariff({"currency": "EUR", "elements": list(elements)} | fields)


def priced(kind: str = "ENERGY", price: str = "0.50", **restrictions: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"price_components": [{"type": kind, "price": Decimal(price), "step_size": 1}]}
    if restrictions:
        entry["restrictions"] = restrictions
    return entry


def found(spec: TariffSpec, **context: Any) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.path) for f in lint(spec, LintContext(**({"on": TODAY} | context)))]


def only(spec: TariffSpec, **context: Any) -> Finding:
    (finding,) = lint(spec, LintContext(**({"on": TODAY} | context)))
    return finding


WORKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]


def test_a_plain_tariff_has_no_findings() -> None:
    assert lint(tariff(priced(), priced("FLAT", "1"), priced("PARKING_TIME", "6"))) == []


def test_a_general_price_after_a_special_one_is_no_overlap() -> None:
    night = priced(price="0.35", start_time="22:00", end_time="06:00")
    assert lint(tariff(night, priced(price="0.49"))) == []


def test_two_prices_that_reach_into_each_other_are_named() -> None:
    spec = tariff(
        priced(price="0.40", start_time="08:00", end_time="20:00"),
        priced(price="0.30", start_time="18:00", end_time="23:00"),
        priced(price="0.20"),
    )
    finding = only(spec)
    assert (finding.code, finding.severity) == ("overlap", "warning")
    assert finding.path == "tariff.elements[1].price_components[0]"
    assert "elements[0]" in finding.words


def gap_of(finding: Finding) -> str:
    assert finding.where is not None
    return finding.where.words()


def test_an_overlap_at_the_same_price_changes_nothing_and_is_not_one() -> None:
    spec = tariff(
        priced(start_time="08:00", end_time="20:00"), priced(start_time="18:00", end_time="23:00"), priced(price="0.2")
    )
    assert lint(spec) == []


@pytest.mark.parametrize(
    ("restrictions", "where"),
    [
        ({"start_time": "08:00", "end_time": "20:00"}, "00:00–08:00 and 20:00–24:00"),
        ({"start_time": "20:00", "end_time": "08:00"}, "08:00–20:00"),
        ({"day_of_week": WORKDAYS}, "Sat, Sun 00:00–24:00"),
        ({"max_kwh": 20}, "from 20 kWh on"),
        ({"min_kwh": 5, "max_kwh": 20}, "below 5 kWh and from 20 kWh on"),
        ({"min_duration": 5400}, "below 90 min"),
        ({"min_power": 11}, "below 11 kW"),
        ({"max_current": 32}, "from 32 A on"),
        ({"start_date": "2026-12-01", "end_date": "2027-01-01"}, "before 2026-12-01 and from 2027-01-01 on"),
    ],
)
def test_a_gap_says_where_it_is_free(restrictions: dict[str, Any], where: str) -> None:
    finding = only(tariff(priced(**restrictions)), on=None)
    assert (finding.code, finding.severity, finding.path) == ("gap", "warning", "tariff.elements")
    assert finding.words == f"ENERGY has no price: {where}. It is free there. Add a price if it should not be."


def test_days_hours_and_limits_of_a_gap_are_told_in_the_reader_s_language() -> None:
    german = {
        "%(dimension)s has no price: %(where)s. It is free there. Add a price if it should not be.": (
            "%(dimension)s hat keinen Preis: %(where)s."
        ),
        "Sat": "Sa",
        "Sun": "So",
        "and": "und",
        "below %(until)s": "unter %(until)s",
        "from %(since)s on": "ab %(since)s",
    }
    for restrictions, where in (
        ({"day_of_week": WORKDAYS}, "Sa, So 00:00–24:00"),
        ({"min_kwh": 5, "max_kwh": 20}, "unter 5 kWh und ab 20 kWh"),
    ):
        finding = only(tariff(priced(**restrictions))).translated(lambda text: german.get(text, text))
        assert finding.words == f"ENERGY hat keinen Preis: {where}."


def test_a_gap_that_is_no_box_says_that_it_is_only_within() -> None:
    spec = tariff(priced(day_of_week=WORKDAYS, max_kwh=20), priced(day_of_week=["SATURDAY", "SUNDAY"]))
    assert "no price: Mon–Fri 00:00–24:00, from 20 kWh on" in only(spec).words
    ragged = tariff(priced(day_of_week=WORKDAYS, max_kwh=20), priced(day_of_week=["SATURDAY"]), priced(min_kwh=30))
    assert "no price at some moments within" in only(ragged).words


def test_a_fixed_fee_that_comes_late_is_no_gap_but_hours_without_one_are() -> None:
    assert lint(tariff(priced(), priced("FLAT", "1", min_kwh=1))) == []
    assert (
        only(tariff(priced(), priced("FLAT", "1", start_time="08:00", end_time="20:00"))).values["dimension"] == "FLAT"
    )


def test_what_earlier_elements_always_decide_is_never_reached() -> None:
    finding = only(tariff(priced(), priced(price="0.40", start_time="08:00", end_time="20:00")))
    assert (finding.code, finding.severity, finding.path) == ("unreachable_element", "error", "tariff.elements[1]")
    assert "elements[0]" in finding.words


def test_halves_that_together_cover_a_later_element_hide_it() -> None:
    spec = tariff(
        priced(price="0.30", start_time="08:00", end_time="14:00"),
        priced(price="0.31", start_time="14:00", end_time="20:00"),
        priced(price="0.40", start_time="10:00", end_time="18:00"),
        priced(price="0.20"),
    )
    finding = only(spec)
    assert finding.code == "unreachable_element"
    assert finding.values["by"] == "elements[0], elements[1]"


def test_one_lost_component_of_a_living_element_is_a_warning() -> None:
    both = priced()
    both["price_components"].append({"type": "FLAT", "price": 1, "step_size": 1})
    finding = only(tariff(priced("FLAT", "2"), both))
    assert (finding.code, finding.severity) == ("unreachable_component", "warning")
    assert finding.path == "tariff.elements[1].price_components[1]"


def test_a_parked_vehicle_draws_nothing() -> None:
    spec = tariff(priced(), priced("PARKING_TIME", "6", min_power=4), priced("PARKING_TIME", "3"))
    assert found(spec) == [("never_matches", "error", "tariff.elements[1].restrictions")]


def test_a_season_that_is_over_never_matches_again() -> None:
    spec = tariff(priced(price="0.3", start_date="2025-11-01", end_date="2026-11-21"), priced())
    assert found(spec) == [("never_matches", "error", "tariff.elements[0].restrictions")]
    assert found(spec, on=TODAY - timedelta(days=1)) == []


def test_a_weekday_that_a_short_season_does_not_have_never_matches() -> None:
    spec = tariff(priced(price="0.3", start_date="2026-12-01", end_date="2026-12-03", day_of_week=["SUNDAY"]), priced())
    assert [code for code, *_rest in found(spec)] == ["never_matches"]


def test_equal_times_mean_the_whole_day_and_are_asked_about() -> None:
    assert found(tariff(priced(start_time="08:00", end_time="08:00"))) == [
        ("equal_times", "warning", "tariff.elements[0].restrictions.end_time")
    ]


def test_reservations_are_looked_at_apart() -> None:
    reserved = priced("TIME", "5", reservation="RESERVATION")
    assert lint(tariff(priced(), reserved)) == []
    assert found(tariff(priced(), reserved, reserved)) == [("unreachable_element", "error", "tariff.elements[2]")]


def test_tiers_and_market_prices_come_before_the_elements() -> None:
    evening = priced(start_time="18:00", end_time="23:00")
    tiers = {"per": "SESSION", "tiers": [{"up_to_kwh": 20, "price": Decimal("0.5")}, {"price": Decimal("0.4")}]}
    assert lint(tariff(evening, voltledger={"energy_tiers": tiers})) == []
    tiers["tiers"] = [{"up_to_kwh": 20, "price": Decimal("0.5")}]
    assert gap_of(only(tariff(evening, voltledger={"energy_tiers": tiers}))) == (
        "00:00–18:00 and 23:00–24:00, from 20 kWh on"
    )
    spot = {"series": "DE-LU", "fallback": Decimal("0.4"), "floor": 0}
    assert lint(tariff(evening, voltledger={"spot": spot})) == []
    tiers["tiers"] = [{"price": Decimal("0.4")}]
    spec = tariff(priced(), voltledger={"spot": spot, "energy_tiers": tiers})
    assert found(spec) == [("unreachable_spot", "error", "tariff.voltledger.spot")]


@pytest.mark.parametrize(
    ("element", "code", "path"),
    [
        (priced(price="-0.1"), "negative_price", "price_components[0].price"),
        (priced(price="49"), "implausible_price", "price_components[0].price"),
        (priced("FLAT", "500"), "implausible_price", "price_components[0].price"),
    ],
)
def test_a_price_that_is_probably_a_slip_is_asked_about(element: dict[str, Any], code: str, path: str) -> None:
    assert (code, "warning", f"tariff.elements[0].{path}") in found(tariff(element))


def test_limits_that_no_session_reaches_are_asked_about_with_their_unit() -> None:
    spec = tariff(priced(price="0.3", min_kwh=20_000), priced(price="0.2", min_power=11_000), priced())
    assert found(spec)[:1] == [("implausible_threshold", "warning", "tariff.elements[0].restrictions.min_kwh")]
    assert ("implausible_threshold", "warning", "tariff.elements[1].restrictions.min_power") in found(spec)


def test_vat_as_a_fraction_and_coarse_blocks_are_asked_about() -> None:
    element = priced()
    element["price_components"][0] |= {"vat": Decimal("0.19"), "step_size": 60_000}
    assert [code for code, *_rest in found(tariff(element))] == ["implausible_step", "implausible_vat"]


def test_a_lowest_price_above_the_highest_is_an_error() -> None:
    # The reader refuses it in a file; a tariff made by hand is checked all the same.
    spec = TariffSpec(
        "EUR", tariff(priced()).elements, min_price=PriceLimit(net=Decimal(5)), max_price=PriceLimit(gross=Decimal(4))
    )
    assert found(spec) == [("min_above_max", "error", "tariff.min_price")]


def test_an_empty_range_made_by_hand_is_an_error() -> None:
    element = tariff(priced()).elements[0]
    broken = type(element)(element.components, Restrictions(min_kwh=Decimal(9), max_kwh=Decimal(9)))
    codes = [code for code, *_rest in found(TariffSpec("EUR", (broken, element)))]
    assert codes == ["never_matches", "empty_range"]


def test_a_tariff_that_is_over_is_an_error() -> None:
    assert found(tariff(priced(), end_date_time="2026-11-20T00:00:00Z")) == [
        ("tariff_over", "error", "tariff.end_date_time")
    ]


# --- Where it applies ---------------------------------------------------------------------------------------------

FAST = {"fast_ad_hoc_points": ("HPC-1 · 1",)}


def test_ad_hoc_from_50_kw_is_energy_and_occupancy_only() -> None:
    allowed = tariff(priced(), priced("PARKING_TIME", "6"), priced("TIME", "6", min_duration=2700))
    assert [code for code, *_rest in found(allowed, **FAST)] == ["gap"]
    spec = tariff(
        priced(), priced("FLAT", "1"), priced("TIME", "3"), min_price={"incl_vat": 2},
        voltledger={"service_fee": {"flat": 1}},
    )  # fmt: skip
    assert found(spec) == []
    assert found(spec, **FAST) == [
        ("ad_hoc_component", "error", "tariff.min_price"),
        ("ad_hoc_component", "error", "tariff.voltledger.service_fee"),
        ("ad_hoc_component", "error", "tariff.elements[1].price_components[0]"),
        ("ad_hoc_component", "error", "tariff.elements[2].price_components[0]"),
    ]
    assert "HPC-1 · 1" in lint(spec, LintContext(fast_ad_hoc_points=("HPC-1 · 1",)))[0].words


def test_ad_hoc_from_50_kw_needs_a_price_per_kwh_unless_it_is_free() -> None:
    assert found(tariff(priced("PARKING_TIME", "6")), **FAST) == [
        ("ad_hoc_without_energy_price", "error", "tariff.elements")
    ]
    assert found(tariff(priced("FLAT", "0")), **FAST) == []


def test_prices_by_the_clock_need_a_clock_that_may_be_used() -> None:
    night = priced(price="0.3", start_time="22:00", end_time="06:00")
    spec = tariff(night, priced(), priced("PARKING_TIME", "6"), voltledger={"free": {"minutes": 10}})
    assert found(spec, points_without_clock=("AC-1",)) == [
        ("clock_not_allowed", "error", "tariff.voltledger.free"),
        ("clock_not_allowed", "error", "tariff.elements[0].restrictions"),
        ("clock_not_allowed", "error", "tariff.elements[2].price_components[0]"),
    ]
    assert found(tariff(priced(), priced("FLAT", "1")), points_without_clock=("AC-1",)) == []


def test_prices_by_current_need_a_meter_that_reports_it() -> None:
    spec = tariff(priced(price="0.3", max_current=16), priced())
    assert found(spec, points_without_current=("AC-1",)) == [
        ("current_not_reported", "warning", "tariff.elements[0].restrictions")
    ]


def test_currencies_must_not_mix() -> None:
    assert found(tariff(priced()), contract_currencies={"Flotte": "CHF", "Fleet": "EUR"}) == [
        ("currency_mix", "error", "tariff.currency")
    ]
    spec = tariff(priced(), voltledger={"spot": {"series": "DE-LU", "fallback": 1, "floor": 0}})
    known = {"series_currencies": {"DE-LU": frozenset({"EUR", "CHF"})}}
    assert found(spec, **known) == []
    assert found(spec, series_currencies={"DE-LU": frozenset({"CHF"})}) == [
        ("series_currency", "error", "tariff.voltledger.spot.series")
    ]
    assert found(spec, series_currencies={}) == [("series_unknown", "error", "tariff.voltledger.spot.series")]


def test_a_country_without_a_vat_rate_is_an_error() -> None:
    assert found(tariff(priced()), countries_without_vat=("NL",)) == [("vat_missing", "error", "tariff")]


# --- Exactness and work -------------------------------------------------------------------------------------------

MONDAY = datetime(2026, 6, 15, tzinfo=UTC)


def _inside(rules: Restrictions, local: datetime, kwh: Decimal, seconds: int, power: Decimal, current: Decimal) -> bool:
    for low, high, value in (
        (rules.min_kwh, rules.max_kwh, kwh),
        (rules.min_duration, rules.max_duration, seconds),
        (rules.min_power, rules.max_power, power),
        (rules.min_current, rules.max_current, current),
    ):
        if (low is not None and value < low) or (high is not None and value >= high):
            return False
    return matches_local(rules, local)


@settings(max_examples=40, deadline=None)
@given(tariffs(), st.data())
def test_no_moment_contradicts_what_the_partition_says(spec: TariffSpec, data: st.DataObject) -> None:
    """Random points of the space: a point without a price needs a gap; a decider is never called unreachable."""
    space = Space(spec.elements)
    for dimension in (Dimension.ENERGY, Dimension.TIME):
        coverage = space.coverage(dimension)
        lost = {*coverage.never, *(number for number, _by in coverage.covered)}
        ours = [
            (number, element.restrictions)
            for number, element in enumerate(spec.elements)
            if element.component(dimension) and element.restrictions.reservation is None
        ]
        if not ours:
            continue
        limits = {Decimal(0)} | {
            limit for _n, rule in ours for limit in (rule.min_kwh, rule.max_kwh) if limit is not None
        }
        seconds = {0} | {
            limit for _n, rule in ours for limit in (rule.min_duration, rule.max_duration) if limit is not None
        }
        days = {MONDAY.date()} | {day for _n, rule in ours for day in (rule.start_date, rule.end_date) if day}
        for kwh, at, power, current in product(
            limits, seconds, (Decimal(5), Decimal(11), Decimal(30)), (Decimal(10), Decimal(20), Decimal(40))
        ):
            day = data.draw(st.sampled_from(sorted(days))) + timedelta(days=data.draw(st.integers(-1, 7)))
            local = datetime.combine(day, data.draw(st.times())).replace(tzinfo=None)
            matching = [number for number, rule in ours if _inside(rule, local, kwh, at, power, current)]
            if not matching:
                assert coverage.gap
            else:
                assert matching[0] not in lost
                for other in matching[1:]:
                    assert (
                        other in lost
                        or (matching[0], other) in coverage.meetings
                        or _is_general(ours, matching[0], other)
                    )


def _is_general(ours: list[tuple[int, Restrictions]], special: int, general: int) -> bool:
    """What the partition must have seen where it reports no meeting: every limit of `general` is as wide."""
    rules = dict(ours)
    narrow, wide = rules[special], rules[general]
    for low, high in (
        ("min_kwh", "max_kwh"),
        ("min_duration", "max_duration"),
        ("min_power", "max_power"),
        ("min_current", "max_current"),
    ):
        least, most = getattr(wide, low), getattr(wide, high)
        if least and (getattr(narrow, low) or 0) < least:
            return False
        if most is not None and (getattr(narrow, high) is None or getattr(narrow, high) > most):
            return False
    return True


def test_the_largest_tariff_is_checked_in_bounded_time() -> None:
    hours = [(f"{n // 4:02}:{n % 4 * 15:02}", f"{(n + 1) // 4 % 24:02}:{(n + 1) % 4 * 15:02}") for n in range(96)]
    week = [
        priced(price=f"0.{number:03}", start_time=since, end_time=until, day_of_week=[day])
        for number, (day, (since, until)) in enumerate(product(WORKDAYS, hours))
    ]
    started = time.process_time()
    finding = only(tariff(*week))
    assert gap_of(finding) == "Sat, Sun 00:00–24:00"
    wild = [
        priced(
            price=f"0.{n:03}", min_kwh=n, max_kwh=n + 700, min_duration=60 * n, max_power=4000 - n,
            start_time=hours[n % 96][0], end_time=hours[(n * 7 + 3) % 96][1], min_current=n * 3 % 701,
        )
        for n in range(MOST_ELEMENTS)
    ]  # fmt: skip
    assert "too_large" in [code for code, *_rest in found(tariff(*wild))]
    assert time.process_time() - started < 20
