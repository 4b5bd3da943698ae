"""`make run`: whatever ends it, nothing of it is left running."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

# A leader that starts a child deaf to SIGTERM, as a task runner busy with a task is. Both hold the FIFO open.
LEADER = """sh -c 'exec 9>"$FIFO"; sh -c "trap : TERM; echo ready; while :; do sleep 60; done" & wait'"""

SUPERVISOR = f"""
import run
run.STOP_SECONDS = 0.5
supervisor = run.Supervisor()
supervisor.start("worker", {LEADER!r})
supervisor.watch()
supervisor.stop()
"""


def heed_interrupts() -> None:
    """As in a terminal: whatever a shell starts in the background ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def outside_make() -> dict[str, str]:
    """The environment without what `make test` tells the makes below it."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "alive"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_every_descendant(fifo: Path, stop_signal: signal.Signals) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR],
        cwd=SCRIPTS,
        env={**os.environ, "FIFO": str(fifo)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    assert supervisor.stdout is not None
    with fifo.open() as held_by_descendants, supervisor.stdout as output:
        assert output.readline() == "worker   | ready\n"
        supervisor.send_signal(stop_signal)
        # Ends only when the last process that holds the FIFO is gone.
        assert held_by_descendants.read() == ""
    assert supervisor.wait(timeout=10) == 0


def test_an_interrupt_sent_to_make_alone_ends_every_descendant(fifo: Path, tmp_path: Path) -> None:
    (tmp_path / "supervise.py").write_text(SUPERVISOR, encoding="utf-8")
    (tmp_path / "Makefile").write_text(f"run:\n\t@exec {sys.executable} supervise.py\n", encoding="utf-8")
    make = subprocess.Popen(
        ["make", "--no-print-directory", "run"],
        cwd=tmp_path,
        env=outside_make() | {"FIFO": str(fifo), "PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    assert make.stdout is not None
    with fifo.open() as held_by_descendants, make.stdout as output:
        assert output.readline() == "worker   | ready\n"
        make.send_signal(signal.SIGINT)
        assert held_by_descendants.read() == ""
    assert make.wait(timeout=10) == -signal.SIGINT


def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    counter = tmp_path / "starts"
    script = f"""
import run
run.TOO_SOON_SECONDS = 0
supervisor = run.Supervisor()
supervisor.start("web", "sh -c 'echo start >> {counter}; exit 3'")
print("watching", flush=True)
supervisor.watch()
"""
    supervisor = subprocess.Popen([sys.executable, "-c", script], cwd=SCRIPTS, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor.stdout as output:
        assert output.readline() == "watching\n"
        assert output.readline() == "web ended (exit code 3); starting it again\n"
        assert output.readline() == "web ended (exit code 3); starting it again\n"
        supervisor.terminate()
    assert supervisor.wait(timeout=10) == 0
    assert counter.read_text().count("start") >= 2


def test_a_process_that_ends_at_once_stops_everything_with_a_sentence() -> None:
    script = """
import run
supervisor = run.Supervisor()
supervisor.start("web", "sh -c 'exit 3'")
try:
    supervisor.watch()
except run.StartError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert done.stdout == "web ends at once (exit code 3); see above.\n"
