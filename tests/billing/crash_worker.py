"""A worker that is killed: `python -m tests.billing.crash_worker` forks a process per line it reads.

A line says `<step> <verb> <id>`. The forked process does the verb and sends itself SIGKILL at the given step: before or
after one of its exchanges with the database, commits included. The signal that ended it is printed, or 0 when it was
done before it came to that step.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django


class Fuse:
    def __init__(self, step: int) -> None:
        self.left = step

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def burning(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            result = call(*args, **kwargs)
            self.burn()
            return result

        return burning


def lay(fuse: Fuse) -> None:
    """Burn at every exchange with the database from here on."""
    from django.db import connection as django_connection

    connection: Any = django_connection
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        import psycopg

        # Everything that goes to the server and comes back passes here: BEGIN, statements, COMMIT.
        psycopg.Connection.wait = fuse.around(psycopg.Connection.wait)  # type: ignore[method-assign]
        return

    def wrapper(execute: Callable[..., Any], *args: Any) -> Any:
        return fuse.around(execute)(*args)

    connection.execute_wrappers.append(wrapper)
    connection._commit = fuse.around(connection._commit)


def work(verb: str, row_id: int) -> None:
    from billing.services.migration_running import run_migration
    from billing.services.payments import collect_leg
    from billing.services.settlement import settle, settle_overdue
    from common import clock

    if verb == "settle":
        settle(row_id)
    elif verb == "sweep":
        settle_overdue(now=clock.now())
    elif verb == "migrate":
        run_migration(migration_id=row_id)
    else:
        collect_leg(leg_id=row_id)


def main() -> None:
    django.setup()
    from billing.services import migration_running, payments, settlement  # noqa: F401 (imported before the forks, once)

    for line in sys.stdin:
        step, verb, row_id = line.split()
        child = os.fork()
        if child == 0:
            lay(Fuse(int(step)))
            work(verb, int(row_id))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
        sys.stdout.write(f"{ended_by}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
