"""Everything CI runs, or only the steps named: `check.py [format lint layers types set-up production tests]`.

Each step is named and timed; the first that fails ends the run with exit code 1. PostgreSQL and Redis are used where
they answer; with CI=true their absence is a failure.
"""

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
LAYERS = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
POSTGRESQL_URL = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/voltledger")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
PROBE_SECONDS = 3
PURE_TESTS = [*sorted(ROOT.glob("tests/*/domain")), ROOT / "tests" / "tariffs" / "vectors"]
MAY_CREATE_DATABASES = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"


class StepError(Exception):
    """A step failed; the message says which."""


class Report:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def run(self, title: str, command: Sequence[str], **environment: str) -> None:
        """Run one command of a step, named and timed. Raises StepError when it fails."""
        print(f"\n=== {title}", flush=True)
        started_at = time.monotonic()
        exit_code = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "ENV_FILE": os.devnull, **environment}, check=False
        ).returncode
        seconds = time.monotonic() - started_at
        if exit_code != 0:
            raise StepError(f"FAILED: {title} (exit code {exit_code}, {seconds:.1f} s)")
        self._lines.append(f"{seconds:7.1f} s  {title}")

    def skip(self, title: str, reason: str) -> None:
        if IN_CI:
            raise StepError(f"FAILED: {title} must run in CI, but {reason}")
        print(f"\n=== SKIPPED: {title}, because {reason}", flush=True)
        self._lines.append(f"  skipped  {title}: {reason}")

    def summary(self) -> str:
        return "\n".join(self._lines)


def main(names: Sequence[str]) -> int:
    report = Report()
    unknown = set(names) - set(STEPS)
    if unknown:
        print(f"No such step: {', '.join(sorted(unknown))}. There are: {', '.join(STEPS)}.", file=sys.stderr)
        return 2
    try:
        for name in names or STEPS:
            with tempfile.TemporaryDirectory(prefix="voltledger-") as scratch:
                STEPS[name](report, Path(scratch))
    except StepError as error:
        print(f"\n{report.summary()}\n{error}", flush=True)
        return 1
    print(f"\n{report.summary()}\nAll steps passed.", flush=True)
    return 0


def check_format(report: Report, scratch: Path) -> None:
    report.run("format (ruff)", [PYTHON, "-m", "ruff", "format", "--check", "."])


def check_lint(report: Report, scratch: Path) -> None:
    report.run("lint (ruff)", [PYTHON, "-m", "ruff", "check", "."])


def check_layers(report: Report, scratch: Path) -> None:
    report.run("layers (import-linter)", [PYTHON, "-c", LAYERS])


def check_types(report: Report, scratch: Path) -> None:
    report.run("types (mypy)", [PYTHON, "-m", "mypy", "."])


def check_set_up(report: Report, scratch: Path) -> None:
    """A database made from nothing has every table, every guard and the demo network, and its books balance."""
    environment = embedded(scratch)
    manage = [PYTHON, "manage.py"]
    report.run("no missing migrations", [*manage, "makemigrations", "--check", "--dry-run"], **environment)
    report.run("database and demo network from nothing", [PYTHON, "scripts/prepare.py"], **environment)
    report.run("the same again", [PYTHON, "scripts/prepare.py"], **environment)
    report.run("database guards", [*manage, "check", "--database", "default"], **environment)
    report.run("books", [*manage, "verify_books"], **environment)


def check_production(report: Report, scratch: Path) -> None:
    """Under production settings with throw-away values; nothing is connected to."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "OCPP_KEY_PEPPER": secrets.token_urlsafe(48),
        "FAKE_PROVIDER_WEBHOOK_SECRET": secrets.token_urlsafe(48),
        "ALLOWED_HOSTS": "voltledger.example",
        "SITE_URL": "https://voltledger.example",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PAYMENT_PROVIDER": "fake",
        "ALLOW_FAKE_PAYMENTS": "true",
        "DOCUMENT_DIR": str(scratch / "documents"),
    }
    manage = [PYTHON, "manage.py"]
    deploy = [*manage, "check", "--deploy", "--fail-level", "WARNING"]
    report.run("production settings (check --deploy)", deploy, **environment)
    # Fails for a stylesheet that names a file which is not there; a page would answer 500.
    report.run("static files", [*manage, "collectstatic", "--no-input", "--verbosity", "0"], **environment)


def check_tests(report: Report, scratch: Path) -> None:
    pytest = [PYTHON, "-m", "pytest", "-n", "2"]
    services = {"PostgreSQL": why_no_postgresql(), "Redis": why_no_redis()}
    missing = " and ".join(reason for reason in services.values() if reason)
    if missing and IN_CI:
        report.skip("tests on PostgreSQL and Redis", missing)
    report.run("tests on SQLite", pytest, **embedded(scratch))
    if missing:
        report.skip("tests on PostgreSQL and Redis", missing)
        return
    # Nothing of a test need outlive a power cut, so its commits do not wait for the disk.
    environment = {"DATABASE_URL": POSTGRESQL_URL, "REDIS_URL": REDIS_URL, "PGOPTIONS": "-c synchronous_commit=off"}
    report.run("tests on PostgreSQL and Redis", [*pytest, *without_database()], **environment)


def without_database() -> list[str]:
    """Leave out what no database can change, so that it runs once: the pure domains, their vectors and properties."""
    return [f"--ignore={path.relative_to(ROOT)}" for path in PURE_TESTS]


def embedded(scratch: Path) -> Mapping[str, str]:
    """SQLite in a scratch directory and no Redis, whatever the machine's own `.env` says."""
    return {
        "DATABASE_URL": f"sqlite:///{scratch / 'check.sqlite3'}",
        "REDIS_URL": "",
        "DOCUMENT_DIR": str(scratch / "documents"),
    }


def why_no_postgresql() -> str:
    """Empty when the server answers and lets us create test databases."""
    try:
        with psycopg.connect(maintenance_url(), connect_timeout=PROBE_SECONDS) as connection:
            row = connection.execute(MAY_CREATE_DATABASES).fetchone()
    except psycopg.OperationalError:
        return f"PostgreSQL does not answer at {POSTGRESQL_URL} (TEST_DATABASE_URL)"
    return "" if row and row[0] else f"the PostgreSQL role of {POSTGRESQL_URL} may not create databases"


def maintenance_url() -> str:
    """The same server's database that is always there: the one in the URL need not exist, tests make their own."""
    return POSTGRESQL_URL.rpartition("/")[0] + "/postgres"


def why_no_redis() -> str:
    try:
        with contextlib.closing(redis.Redis.from_url(REDIS_URL, socket_connect_timeout=PROBE_SECONDS)) as client:
            client.ping()
    except redis.RedisError:
        return f"Redis does not answer at {REDIS_URL} (TEST_REDIS_URL)"
    return ""


STEPS: Mapping[str, Callable[[Report, Path], None]] = {
    "format": check_format,
    "lint": check_lint,
    "layers": check_layers,
    "types": check_types,
    "set-up": check_set_up,
    "production": check_production,
    "tests": check_tests,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
