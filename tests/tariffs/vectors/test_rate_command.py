"""`manage.py rate` refuses with every defect's path and a non-zero exit, and goes on with the rest of a batch."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tariffs.domain import jsontext
from tests.tariffs.vectors.loading import Vector, all_vectors

VECTOR: Vector = next(vector for vector in all_vectors() if vector.name == "spec-energy: 20 kWh")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    tariff, cdr = tmp_path / "tariff.json", tmp_path / "cdr.json"
    tariff.write_text(jsontext.dumps(VECTOR.tariff))
    cdr.write_text(jsontext.dumps(VECTOR.cdr))
    return tariff, cdr


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("rate", *arguments, stdout=out)
    return out.getvalue()


def test_totals_have_at_least_four_decimals(files: tuple[Path, Path]) -> None:
    tariff, cdr = files
    out = run("--tariff", tariff, "--cdr", cdr, "--json")
    assert '"total_cost": {"excl_vat": 5.0000, "incl_vat": 5.5000}' in out
    assert out.count("\n") == 1


def test_a_table_for_people(files: tuple[Path, Path]) -> None:
    tariff, cdr = files
    lines = run("--tariff", tariff, "--cdr", cdr).splitlines()
    assert lines[1].split() == ["ENERGY", "20.0000", "kWh", "0.2500", "10", "5.0000", "5.5000"]
    assert lines[-1] == "Total after tax:  5.5000 EUR"


def test_the_zone_is_the_options_else_the_cdrs_else_utc(files: tuple[Path, Path]) -> None:
    tariff, cdr = files
    assert '"time_zone": "UTC"' in run("--tariff", tariff, "--cdr", cdr, "--json")
    cdr.write_text(jsontext.dumps(VECTOR.cdr | {"cdr_location": {"time_zone": "Europe/Berlin"}}))
    assert '"time_zone": "Europe/Berlin"' in run("--tariff", tariff, "--cdr", cdr, "--json")
    assert '"time_zone": "Asia/Tokyo"' in run("--tariff", tariff, "--cdr", cdr, "--json", "--time-zone", "Asia/Tokyo")


def test_defects_of_both_files_are_told_with_their_paths(files: tuple[Path, Path]) -> None:
    tariff, cdr = files
    tariff.write_text(jsontext.dumps(VECTOR.tariff | {"currency": "EURO"}))
    cdr.write_text(jsontext.dumps(VECTOR.cdr | {"end_date_time": None}))
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("rate", "--tariff", tariff, "--cdr", cdr, "--json", "--time-zone", "Moon", stdout=out)
    details = [
        "tariff.currency: must be an ISO 4217 currency code in capitals",
        "cdr.end_date_time: is required",
        "time_zone: must be an IANA time zone such as Europe/Berlin",
    ]
    assert str(caught.value).splitlines()[1:] == details
    result = jsontext.loads(out.getvalue())
    assert (result["code"], result["details"]) == ("bad_input", details)


def test_another_currency_is_refused(files: tuple[Path, Path]) -> None:
    tariff, cdr = files
    cdr.write_text(jsontext.dumps(VECTOR.cdr | {"currency": "SEK"}))
    with pytest.raises(CommandError, match=r"cdr\.currency: is SEK, but the tariff is in EUR"):
        run("--tariff", tariff, "--cdr", cdr)


def test_a_file_that_is_not_there_or_not_json(files: tuple[Path, Path], tmp_path: Path) -> None:
    tariff, cdr = files
    with pytest.raises(CommandError, match="cannot be read"):
        run("--tariff", tmp_path / "none.json", "--cdr", cdr)
    with pytest.raises(CommandError, match="cannot be read"):
        run("--batch", tmp_path / "none.jsonl")
    tariff.write_text("{")
    with pytest.raises(CommandError, match="line 1 column 2"):
        run("--tariff", tariff, "--cdr", cdr)


def test_arguments_that_do_not_go_together(files: tuple[Path, Path]) -> None:
    tariff, cdr = files
    for arguments in ((), ("--tariff", tariff), ("--batch", tariff, "--cdr", cdr)):
        with pytest.raises(CommandError, match="--batch"):
            run(*arguments)


def test_a_bad_line_does_not_stop_the_batch(tmp_path: Path) -> None:
    good = jsontext.dumps({"tariff": VECTOR.tariff, "cdr": VECTOR.cdr})
    batch = tmp_path / "batch.jsonl"
    batch.write_text("\n".join([good, "", '{"tariff": 1}', "[]", "{", '{"tarif": {}}', good]))
    out = StringIO()
    with pytest.raises(CommandError, match="4 of 6 lines could not be rated"):
        call_command("rate", "--batch", batch, stdout=out)
    results = [jsontext.loads(line) for line in out.getvalue().splitlines()]
    assert ["error" in result for result in results] == [False, True, True, True, True, False]
    assert results[1]["details"] == ["tariff: must be an object, not a number", "cdr: must be an object, not null"]
    assert results[2]["details"] == ["$: must be an object"]
    assert results[4]["details"][0] == "tarif: is not a known field here"
