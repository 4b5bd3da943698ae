"""Settings: each is documented, and production refuses to start while one is unsafe."""

import ast
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]+)=", re.MULTILINE)

SAFE_PRODUCTION = {
    "SECRET_KEY": "k" * 50,
    "OCPP_KEY_PEPPER": "p" * 32,
    "ALLOWED_HOSTS": "voltledger.example",
    "SITE_URL": "https://voltledger.example",
    "DATABASE_URL": "postgres://voltledger@127.0.0.1/voltledger",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "PAYMENT_PROVIDER": "fake",
    "ALLOW_FAKE_PAYMENTS": "true",
    "FAKE_PROVIDER_WEBHOOK_SECRET": "w" * 32,
    "STAFF_MFA_REQUIRED": "true",
    "DEBUG": "false",
}


def names_read_by_settings() -> Iterator[str]:
    """First arguments of `env("NAME")`, `env.bool("NAME")` and their like."""
    for path in (ROOT / "config" / "settings").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            reader = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            if isinstance(reader, ast.Name) and reader.id == "env":
                yield str(node.args[0].value)


def names_read_by_procfile() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+):-", (ROOT / "Procfile").read_text(encoding="utf-8")))


def test_env_example_lists_exactly_what_is_read() -> None:
    documented = ASSIGNMENT.findall((ROOT / ".env.example").read_text(encoding="utf-8"))
    assert sorted(documented) == sorted({*names_read_by_settings(), *names_read_by_procfile()})


def test_every_setting_in_env_example_says_why_it_exists() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        if ASSIGNMENT.match(line):
            assert above.startswith("# ") or ASSIGNMENT.match(above), f"no reason given above {line}"
            assert not above.startswith("# ---"), f"no reason given above {line}"


def load_production_settings(**changes: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **SAFE_PRODUCTION, **changes}
    command = [sys.executable, "-c", "import config.settings.production"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_production_starts_with_safe_settings() -> None:
    assert load_production_settings().returncode == 0


@pytest.mark.parametrize(
    ("name", "unsafe"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "k" * 49),
        ("OCPP_KEY_PEPPER", ""),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "*"),
        ("SITE_URL", "http://voltledger.example"),
        ("DATABASE_URL", "sqlite:////tmp/voltledger.sqlite3"),
        ("REDIS_URL", ""),
        ("DEBUG", "true"),
        ("ALLOW_FAKE_PAYMENTS", "false"),
        ("STAFF_MFA_REQUIRED", "false"),
    ],
)
def test_production_refuses_to_start_with_one_unsafe_setting(name: str, unsafe: str) -> None:
    refused = load_production_settings(**{name: unsafe})
    assert refused.returncode != 0
    assert "Voltledger will not start" in refused.stderr
    assert name in refused.stderr.rpartition("Voltledger will not start")[2]
