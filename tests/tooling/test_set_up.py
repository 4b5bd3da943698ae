"""Set-up: what it installs, what it only names, and that it does nothing twice."""

import os
import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "set_up.py"


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The script's names, with `dpkg-query` and `apt-get` of our own on PATH and the rights of an ordinary user."""
    for name, script in {
        "dpkg-query": '#!/bin/sh\ncat "$DPKG_ANSWER"\n',
        "apt-get": '#!/bin/sh\necho "$@" >> "$APT_LOG"\n',
        "cat": '#!/bin/sh\nexec /bin/cat "$@"\n',
    }.items():
        (tmp_path / name).write_text(script, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "answer").write_text("", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DPKG_ANSWER", str(tmp_path / "answer"))
    monkeypatch.setenv("APT_LOG", str(tmp_path / "apt.log"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return runpy.run_path(str(SCRIPT))


def installed(tmp_path: Path, *names: str) -> None:
    (tmp_path / "answer").write_text("".join(f"{name} installed\n" for name in names), encoding="utf-8")


LIBRARIES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")


def test_without_rights_missing_libraries_stop_with_the_exact_command(set_up: dict[str, Any]) -> None:
    with pytest.raises(set_up["SetupError"], match=r"sudo apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 "):
        set_up["ensure_debian_packages"]("runtime")


def test_without_rights_a_missing_font_is_named_and_set_up_goes_on(
    set_up: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(tmp_path, *LIBRARIES)
    set_up["ensure_debian_packages"]("runtime")
    assert "sudo apt-get install -y fonts-inter" in capsys.readouterr().out
    assert not (tmp_path / "apt.log").exists()


def test_root_installs_only_what_is_missing(
    set_up: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    installed(tmp_path, *LIBRARIES)
    set_up["ensure_debian_packages"]("runtime")
    assert (tmp_path / "apt.log").read_text() == "install -y -qq --no-install-recommends fonts-inter\n"


def test_nothing_missing_nothing_said(
    set_up: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(tmp_path, *LIBRARIES, "fonts-inter")
    set_up["ensure_debian_packages"]("runtime")
    assert capsys.readouterr().out == ""


def test_requirement_files_follow_what_they_name(set_up: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "dev.txt").write_text("-r base.txt\npytest==1\n", encoding="utf-8")
    (tmp_path / "base.txt").write_text("-c pins.txt\nDjango==5\n", encoding="utf-8")
    (tmp_path / "pins.txt").write_text("sqlparse==1\n", encoding="utf-8")
    names = [path.name for path in set_up["requirement_files"](tmp_path / "dev.txt")]
    assert names == ["dev.txt", "base.txt", "pins.txt"]
