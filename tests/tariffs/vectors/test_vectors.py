"""Every vector, by the engine and by `manage.py rate` through files."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from tariffs.domain import jsontext
from tariffs.domain.result import RatedSession, VatUnknown
from tests.tariffs.vectors import independent
from tests.tariffs.vectors.loading import Vector, all_vectors, rated_by_engine

VECTORS = all_vectors()
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_the_engine_gives_the_figures(vector: Vector) -> None:
    rated = rated_by_engine(vector.tariff, vector.cdr, vector.time_zone)
    if vector.payable is not None:
        payable = rated.payable()
        assert {"net": payable.net, "vat": payable.vat, "gross": payable.gross} == vector.payable
    elif vector.net is None or vector.gross is None:
        with pytest.raises(VatUnknown):
            rated.payable()


def test_a_pricer_that_shares_nothing_with_the_engine_gives_the_figures() -> None:
    agreed = 0
    for vector in VECTORS:
        if not is_plain_ocpi(vector):
            continue
        total = independent.price(vector.tariff, vector.cdr, vector.time_zone)
        told = [independent.cents(amount) for amount in (vector.net, vector.gross)]
        assert told == [independent.cents(amount) for amount in (total.net, total.gross)], vector.name
        agreed += 1
    assert agreed >= 60


def is_plain_ocpi(vector: Vector) -> bool:
    """Whole minutes, no reservation, no extension, and limits on both sides of the tax."""
    periods = vector.cdr["charging_periods"]
    moments = [period["start_date_time"] for period in periods] + [vector.cdr["end_date_time"]]
    kinds = {entry["type"] for period in periods for entry in period["dimensions"]}
    limits = [vector.tariff[key] for key in ("min_price", "max_price") if key in vector.tariff]
    return (
        "voltledger" not in vector.tariff
        and "RESERVATION_TIME" not in kinds
        and all(moment.endswith(":00Z") for moment in moments)
        and all(len(limit) == 2 for limit in limits)
    )


def test_the_cases_are_enough_and_cover_the_days_and_extensions_that_are_hard() -> None:
    assert len(VECTORS) >= 60
    rated = [(vector, rated_by_engine(vector.tariff, vector.cdr, vector.time_zone)) for vector in VECTORS]
    shifts = {_shift(vector) for vector in VECTORS}
    assert {timedelta(hours=-1), timedelta(hours=1)} <= shifts, "a day of 25 hours and one of 23"
    for what, holds in {
        "hours past midnight": lambda vector, one: _wraps(vector) and _passes_midnight(vector),
        "several VAT rates": lambda vector, one: len(one.vat_totals) > 1,
        "tiers": lambda vector, one: _why(one, "tier"),
        "idle grace": lambda vector, one: _why(one, "idle_grace"),
        "a market price with a gap": lambda vector, one: _why(one, "spot") and _why(one, "spot_fallback"),
        "a free tail": lambda vector, one: (
            bool(one.lines) and any(free.start_at >= one.lines[-1].end_at for free in one.free)
        ),
        "a highest price": lambda vector, one: any(line.kind == "MAX_PRICE" for line in one.lines),
        "a lowest price": lambda vector, one: any(line.kind == "MIN_PRICE" for line in one.lines),
    }.items():
        assert any(holds(vector, one) for vector, one in rated), what


def _shift(vector: Vector) -> timedelta:
    """How much the clock is moved during the session; an hour back is -1 h."""
    first, last = _local(vector)
    return (last.utcoffset() or timedelta()) - (first.utcoffset() or timedelta())


def _passes_midnight(vector: Vector) -> bool:
    first, last = _local(vector)
    return first.date() != last.date()


def _local(vector: Vector) -> tuple[datetime, datetime]:
    first, last = (
        datetime.fromisoformat(vector.cdr[name]).astimezone(ZoneInfo(vector.time_zone))
        for name in ("start_date_time", "end_date_time")
    )
    return first, last


def _wraps(vector: Vector) -> bool:
    rules = [element.get("restrictions", {}) for element in vector.tariff["elements"]]
    return any("00:00" < rule.get("end_time", "00:00") < rule.get("start_time", "00:00") for rule in rules)


def _why(one: RatedSession, code: str) -> bool:
    return any(condition.code == code for line in one.lines for condition in line.matched)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_the_command_gives_the_figures(vector: Vector, tmp_path: Path) -> None:
    tariff, cdr = tmp_path / "tariff.json", tmp_path / "cdr.json"
    tariff.write_text(jsontext.dumps(vector.tariff))
    cdr.write_text(jsontext.dumps(vector.cdr))
    out = StringIO()
    call_command("rate", "--tariff", tariff, "--cdr", cdr, "--time-zone", vector.time_zone, "--json", stdout=out)
    check(vector, jsontext.loads(out.getvalue()))


def test_a_process_of_its_own_rates_them_all_without_a_database(tmp_path: Path) -> None:
    batch = tmp_path / "batch.jsonl"
    batch.write_text(
        "\n".join(
            jsontext.dumps({"tariff": vector.tariff, "cdr": vector.cdr, "time_zone": vector.time_zone})
            for vector in VECTORS
        )
    )
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere"}
    done = subprocess.run(
        [sys.executable, "manage.py", "rate", "--batch", str(batch)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    results = done.stdout.splitlines()
    assert len(results) == len(VECTORS)
    for vector, line in zip(VECTORS, results, strict=True):
        check(vector, jsontext.loads(line))


def check(vector: Vector, result: dict[str, Any]) -> None:
    total = result["total_cost"]
    assert (total["excl_vat"], total["incl_vat"]) == (vector.net, vector.gross)
    if vector.lines is not None:
        amounts = {_name(line): line["net"] for line in result["lines"]}
        stated = {name: amounts.get(name) for name in vector.lines}
        assert stated == vector.lines


def _name(line: dict[str, Any]) -> str:
    """ "ENERGY 0" for a line of an element; a named price or fee by its reason."""
    if line["element"] is not None:
        return f"{line['kind']} {line['element']}"
    return " ".join([line["kind"], *(condition["words"] for condition in line["matched"])])
