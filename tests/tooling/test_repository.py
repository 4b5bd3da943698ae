"""The repository as a newcomer meets it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("common", "accounts", "locations", "tariffs", "billing", "ocpp_gateway", "invoicing", "config", "scripts")
LONGEST_FILE = 420
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_readme_names_the_two_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("run", "test"):
        assert f"make {command}" in readme
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / document).read_text(encoding="utf-8")):
        assert ((ROOT / document).parent / target).exists(), f"{document} links to {target}"


def test_no_source_file_has_grown_into_a_drawer() -> None:
    sources = (path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if "migrations" not in path.parts)
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_ci_fails_with_a_sentence_when_a_service_is_missing() -> None:
    environment = {**os.environ, "CI": "true", "TEST_DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
    command = [sys.executable, "scripts/check.py", "tests"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "must run in CI, but PostgreSQL does not answer" in done.stdout


def test_an_unknown_step_or_benchmark_is_named() -> None:
    for command in (["scripts/check.py", "tset"], ["-m", "benchmarks", "tset"]):
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "tset" in done.stderr
