"""Set-up: what it installs, what it only names, and that it does nothing twice."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "set_up.py"
LIBRARIES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script in an empty checkout, with `dpkg-query` and `apt-get` of our own and an ordinary user's rights."""
    for name, script in {
        "dpkg-query": '#!/bin/sh\nexec /bin/cat "$DPKG_ANSWER"\n',
        "apt-get": '#!/bin/sh\necho "$@" >> "$APT_LOG"\n',
    }.items():
        (tmp_path / name).write_text(script, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DPKG_ANSWER", str(tmp_path / "answer"))
    monkeypatch.setenv("APT_LOG", str(tmp_path / "apt.log"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    spec = importlib.util.spec_from_file_location("set_up", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path)
    return module


def installed(tmp_path: Path, *names: str) -> None:
    (tmp_path / "answer").write_text("".join(f"{name} installed\n" for name in names), encoding="utf-8")


def test_without_rights_missing_libraries_stop_with_the_exact_command(set_up: ModuleType, tmp_path: Path) -> None:
    installed(tmp_path)
    with pytest.raises(
        set_up.SetupError, match=r"sudo apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz"
    ):
        set_up.ensure_debian_packages("runtime")


def test_without_rights_a_missing_browser_is_named_and_set_up_goes_on(
    set_up: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(tmp_path, *LIBRARIES)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_pages.py").write_text("@pytest.mark.browser\n", encoding="utf-8")
    set_up.ensure_debian_packages("runtime")
    assert capsys.readouterr().out == ""
    set_up.ensure_debian_packages("development")
    assert "sudo apt-get install -y chromium" in capsys.readouterr().out
    assert not (tmp_path / "apt.log").exists()


def test_root_installs_only_what_is_missing(
    set_up: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    installed(tmp_path, *LIBRARIES[:2])
    set_up.ensure_debian_packages("runtime")
    assert (tmp_path / "apt.log").read_text() == "install -y -qq --no-install-recommends libharfbuzz-subset0\n"


def test_nothing_missing_nothing_said(set_up: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed(tmp_path, *LIBRARIES)
    set_up.ensure_debian_packages("development")
    assert capsys.readouterr().out == ""


def test_requirements_are_installed_again_only_when_a_file_they_name_changes(
    set_up: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "pyvenv.cfg").write_text("version = 3.11\n", encoding="utf-8")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\npytest==1\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("-c constraints.txt\nDjango==5\n", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("sqlparse==1\n", encoding="utf-8")
    assert not set_up.up_to_date("development")
    set_up.stamp("development").write_text(set_up.fingerprint("development"))
    assert set_up.up_to_date("development")
    (tmp_path / "constraints.txt").write_text("sqlparse==2\n", encoding="utf-8")
    assert not set_up.up_to_date("development")
