"""Every vector, by the engine and by `manage.py rate` through files."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tariffs.domain import jsontext
from tariffs.domain.result import VatUnknown
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
