"""Voltledger on this machine: database, demo network, web, worker and simulated charge points. Ctrl-C stops them all.

The processes are those of the Procfile, plus the simulator, which no installation has. Each runs in a session of its
own and is ended as a whole group: a cluster whose parent was killed leaves its workers running, and they must not
outlive it. A process that dies is started again, unless it ends at once.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import environ

ROOT = Path(__file__).resolve().parent.parent
PROCFILE_LINE = re.compile(r"^([a-z]+): (.+)$", re.MULTILINE)
CAUGHT_SIGNALS = re.compile(r"^SigCgt:\s*([0-9a-f]+)$", re.MULTILINE)
SIMULATOR = "python manage.py simulate_stations --url ws://127.0.0.1:${PORT}/ocpp/"
START_SECONDS = 60
STOP_SECONDS = 8
TOO_SOON_SECONDS = 5

_printing = threading.Lock()


class StartError(Exception):
    """Voltledger cannot start; the message says why and what to do."""


class Process:
    """One line of the Procfile, running as the leader of its own process group."""

    def __init__(self, name: str, command: str, *, may_finish: bool = False) -> None:
        self.name = name
        self.command = command
        self.may_finish = may_finish
        self.start()

    def start(self) -> None:
        self.started_at = time.monotonic()
        self._popen = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {self.command}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._relay, args=(self._popen,), daemon=True).start()

    def _relay(self, popen: subprocess.Popen[str]) -> None:
        assert popen.stdout is not None
        for line in popen.stdout:
            say(f"{self.name:<8} | {line.rstrip()}")

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll()

    @property
    def ended_too_soon(self) -> bool:
        return time.monotonic() - self.started_at < TOO_SOON_SECONDS

    def ask_to_stop(self) -> None:
        """The leader ends its own children: uvicorn its sockets, the worker the task in hand."""
        if self.exit_code is None:
            self._popen.send_signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """Whatever is left of the group, leader or not."""
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


class Supervisor:
    def __init__(self) -> None:
        self.processes: list[Process] = []
        self._stop = threading.Event()
        self._parent = os.getppid()
        self._parent_catches_interrupts = catches_interrupts(self._parent)
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, lambda *_: self._stop.set())

    @property
    def stopping(self) -> bool:
        """Asked to stop, or the `make` that started us was.

        A terminal's Ctrl-C reaches us all. A SIGINT sent to make alone does not: make gives up its handler and waits
        for us in silence. A SIGKILL leaves us with another parent.
        """
        if self._stop.is_set() or os.getppid() != self._parent:
            return True
        return self._parent_catches_interrupts and not catches_interrupts(self._parent)

    def start(self, name: str, command: str, *, may_finish: bool = False) -> Process:
        process = Process(name, command, may_finish=may_finish)
        self.processes.append(process)
        return process

    def wait_until_listening(self, web: Process, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.stopping and not is_listening(port):
            if web.exit_code is not None:
                raise StartError(f"The web process ended at once (exit code {web.exit_code}); its reason is above.")
            if time.monotonic() > deadline:
                raise StartError(f"The web process does not answer on port {port} after {START_SECONDS} seconds.")
            time.sleep(0.1)

    def watch(self) -> None:
        """Until asked to stop: start again what ended by itself. A simulator that is done stays done."""
        while not self.stopping:
            for process in self.processes:
                exit_code = process.exit_code
                if exit_code is None or (exit_code == 0 and process.may_finish):
                    continue
                # Below zero it was killed, which says nothing about the next start.
                if exit_code >= 0 and process.ended_too_soon:
                    raise StartError(f"{process.name} ends at once (exit code {exit_code}); see above.")
                say(f"{process.name} ended (exit code {exit_code}); starting it again")
                process.kill_group()
                process.start()
            self._stop.wait(0.2)

    def stop(self) -> None:
        if self.processes:
            say("Stopping")
        for process in self.processes:
            process.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(process.exit_code is None for process in self.processes):
            time.sleep(0.05)
        for process in self.processes:
            process.kill_group()


def main() -> int:
    os.chdir(ROOT)
    supervisor = Supervisor()
    try:
        port = prepare_environment()
        if is_listening(port):
            raise StartError(f"Port {port} is taken on this machine. Choose another: PORT={port + 1} make run")
        log_ins = prepare()
        say("Starting web, worker and simulated charge points")
        for name, command in PROCFILE_LINE.findall((ROOT / "Procfile").read_text(encoding="utf-8")):
            supervisor.start(name, command)
        supervisor.wait_until_listening(supervisor.processes[0], port)
        supervisor.start("stations", SIMULATOR, may_finish=True)
        say(welcome(port, log_ins))
        supervisor.watch()
    except StartError as error:
        say(str(error))
        return 1
    finally:
        supervisor.stop()
    say("Everything has stopped.")
    return 0


def prepare_environment() -> int:
    """The settings every child inherits: `.env`, then what follows from the port. Returns the port."""
    environ.Env.read_env(ROOT / ".env")
    os.environ.setdefault("PORT", "8000")
    if not os.environ["PORT"].isdecimal():
        raise StartError(f"PORT must be a number such as 8001, not “{os.environ['PORT']}”.")
    port = int(os.environ["PORT"])
    os.environ.setdefault("SITE_URL", f"http://127.0.0.1:{port}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.environ["PYTHONUNBUFFERED"] = "1"
    return port


def prepare() -> str:
    """Database and demo network; returns the demo's log-ins."""
    done = subprocess.run([sys.executable, "scripts/prepare.py"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise StartError(f"{done.stdout}The database could not be prepared; the reason is above.")
    return done.stdout.strip()


def catches_interrupts(pid: int) -> bool:
    """Whether the process handles SIGINT, as far as Linux tells; False elsewhere."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False
    caught = CAUGHT_SIGNALS.search(status)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def welcome(port: int, log_ins: str) -> str:
    return f"""
{log_ins}

  Site             http://127.0.0.1:{port}/
  Operator portal  http://127.0.0.1:{port}/admin/
  Charge points    ws://127.0.0.1:{port}/ocpp/<identity>

Ctrl-C stops everything.
"""


def say(text: str) -> None:
    with _printing:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
