"""Brings the virtual environment and the machine's packages up to date: `set_up.py runtime | development`.

Standard library only: it runs before anything is installed. It does nothing when nothing changed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"

# WeasyPrint draws the documents with these. Their fonts come with a Python package.
PDF_LIBRARIES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
# Only the tests marked `browser` want it; without it they are skipped.
BROWSER = "chromium"
BROWSER_TEST = re.compile(r"mark\.browser\b")

REQUIREMENTS = {"runtime": "requirements.txt", "development": "requirements-dev.txt"}


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def main() -> int:
    purpose = sys.argv[1]
    try:
        ensure_debian_packages(purpose)
        if not up_to_date(purpose):
            ensure_virtual_environment()
            install_python_packages(purpose)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def ensure_debian_packages(purpose: str) -> None:
    """Install what is missing when root; otherwise name the exact command, and stop unless it can be done without."""
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        return
    wanted = list(PDF_LIBRARIES)
    if purpose == "development" and shutil.which(BROWSER) is None and browser_tests_exist():
        wanted.append(BROWSER)
    missing = missing_debian_packages(wanted)
    if not missing:
        return
    if os.geteuid() == 0:
        say(f"Installing Debian packages: {' '.join(missing)}")
        if not (apt_install(missing) or (apt_update() and apt_install(missing))):
            raise SetupError(f"These Debian packages could not be installed: {' '.join(missing)}. See the lines above.")
        return
    command = f"sudo apt-get install -y {' '.join(missing)}"
    if set(missing) & set(PDF_LIBRARIES):
        raise SetupError(f"Receipts are drawn with Debian packages that are missing. Run this, then repeat: {command}")
    say(f"Browser tests will be skipped; to run them: {command}")


def missing_debian_packages(names: Sequence[str]) -> list[str]:
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def apt_update() -> bool:
    return subprocess.run(["apt-get", "update", "-qq"], check=False).returncode == 0


def apt_install(names: Sequence[str]) -> bool:
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def browser_tests_exist() -> bool:
    return any(BROWSER_TEST.search(path.read_text(encoding="utf-8")) for path in (ROOT / "tests").rglob("test_*.py"))


def ensure_virtual_environment() -> None:
    """Create .venv, again when the one there does not run or has no pip (an interrupted set-up, a removed Python)."""
    if VENV_PYTHON.exists() and runs([str(VENV_PYTHON), "-m", "pip", "--version"]):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    say(f"Creating .venv with Python {version} ({sys.executable})")
    venv.create(VENV, clear=True, with_pip=True, symlinks=True)


def up_to_date(purpose: str) -> bool:
    """True when these very requirements were installed into this very environment."""
    return stamp(purpose).is_file() and stamp(purpose).read_text() == fingerprint(purpose)


def install_python_packages(purpose: str) -> None:
    say(f"Installing the Python packages of {REQUIREMENTS[purpose]} (about a minute the first time)")
    command = [str(VENV_PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]
    if subprocess.run([*command, "--requirement", REQUIREMENTS[purpose]], cwd=ROOT, check=False).returncode != 0:
        raise SetupError("The Python packages could not be installed. pip's reason is above; repeat when it is solved.")
    # The development requirements include the runtime's.
    for done in {purpose, "runtime"}:
        stamp(done).write_text(fingerprint(done))


def stamp(purpose: str) -> Path:
    return VENV / f".installed-{purpose}"


def fingerprint(purpose: str) -> str:
    digest = hashlib.sha256((VENV / "pyvenv.cfg").read_bytes())
    for path in requirement_files(ROOT / REQUIREMENTS[purpose]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def requirement_files(path: Path) -> Iterator[Path]:
    """The file and every file it names with -r or -c."""
    yield path
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("-r ", "-c ")):
            yield from requirement_files(path.parent / line[3:].strip())


def runs(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main())
