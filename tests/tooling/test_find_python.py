"""The search for a Python believes only what it has executed."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "find_python.sh"

# A version manager's shim of a version nobody selected: executable, and useless.
DEAD_SHIM = '#!/bin/sh\necho "pyenv: command not found" >&2\nexit 127\n'
# The same from a manager that complains on standard output.
TALKING_SHIM = '#!/bin/sh\necho "No version is set for command python"\nexit 126\n'


def working(minor: int) -> str:
    """Answers the probe as Python 3.<minor> would; the probe's second argument is the version asked for."""
    return f'#!/bin/sh\nif [ "$3" = {minor} ]; then echo /usr/lib/python3.{minor}; fi\n'


def without_ensurepip(minor: int) -> str:
    return f'#!/bin/sh\nif [ "$3" = {minor} ]; then echo /usr/bin/python3.{minor}; exit 1; fi\n'


@pytest.fixture
def directories(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "shims", tmp_path / "bin"
    first.mkdir()
    second.mkdir()
    return first, second


def put(directory: Path, name: str, content: str) -> None:
    path = directory / name
    path.write_text(content, encoding="utf-8")
    path.chmod(0o755)


def find(*directories: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": ":".join(map(str, directories))}
    return subprocess.run(["/bin/sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shim", [DEAD_SHIM, TALKING_SHIM])
def test_a_shim_that_does_not_run_is_passed_over(directories: tuple[Path, Path], shim: str) -> None:
    put(directories[0], "python3.13", shim)
    put(directories[0], "python3.11", working(11))
    found = find(*directories)
    assert (found.returncode, found.stdout) == (0, "/usr/lib/python3.11\n")


def test_the_same_name_further_along_the_path_is_tried(directories: tuple[Path, Path]) -> None:
    put(directories[0], "python3.13", DEAD_SHIM)
    put(directories[1], "python3.13", working(13))
    put(directories[0], "python3.11", working(11))
    assert find(*directories).stdout == "/usr/lib/python3.13\n"


def test_the_newest_wins_under_whatever_name(directories: tuple[Path, Path]) -> None:
    put(directories[0], "python3.11", working(11))
    put(directories[1], "python3", working(12))
    assert find(*directories).stdout == "/usr/lib/python3.12\n"


def test_too_old_and_too_new_are_not_taken(directories: tuple[Path, Path]) -> None:
    put(directories[0], "python3", working(10))
    put(directories[1], "python", working(14))
    found = find(*directories)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.count("\n") == 1
    assert "sudo apt-get install -y python3 python3-venv" in found.stderr


def test_a_python_that_cannot_build_an_environment_is_named_with_its_remedy(directories: tuple[Path, Path]) -> None:
    put(directories[0], "python3", without_ensurepip(11))
    found = find(*directories)
    assert (found.returncode, found.stdout) == (1, "")
    assert "sudo apt-get install -y python3.11-venv" in found.stderr


def test_an_older_complete_python_beats_a_newer_incomplete_one(directories: tuple[Path, Path]) -> None:
    put(directories[0], "python3.13", without_ensurepip(13))
    put(directories[0], "python3.11", working(11))
    assert find(*directories).stdout == "/usr/lib/python3.11\n"
