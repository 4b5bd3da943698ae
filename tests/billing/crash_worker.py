"""A worker that is killed: `python -m tests.billing.crash_worker` forks a process per line it reads.

A line says `<step> <verb> <id> <moment>`. The forked process does the verb at that moment of the test's clock and sends
itself SIGKILL at the given step: before one of its writes or commits. Between two of them the database is the same, so
these are all the places where being killed makes a difference. The signal that ended it is printed, or 0 when it was
done before that step.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import django
import time_machine


class Fuse:
    def __init__(self, step: int) -> None:
        self.left = step

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_writes(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "WITH")):
            self.burn()
        return execute(sql, params, many, context)

    def before(self, commit: Callable[[], Any]) -> Callable[[], Any]:
        def burning() -> Any:
            self.burn()
            return commit()

        return burning


def lay(fuse: Fuse) -> None:
    """Burn at every write and commit from here on."""
    from django.db import connection as django_connection

    connection: Any = django_connection
    connection.ensure_connection()
    connection.execute_wrappers.append(fuse.before_writes)
    connection._commit = fuse.before(connection._commit)


def verbs() -> dict[str, Callable[[int], object]]:
    """What a worker is asked to do, by name, each with the id of its row."""
    from billing.models import Refund
    from billing.services.card_refunds import send_refund
    from billing.services.migration_running import run_migration
    from billing.services.payments import collect_leg
    from billing.services.refunds import refund_session
    from billing.services.settlement import settle, settle_overdue
    from billing.services.top_ups import top_up
    from common import clock
    from tests.billing.factories import eur

    def refund(session_id: int) -> None:
        refund_session(session_id=session_id, reason="broken plug", idempotency_key=f"refund:{session_id}")
        for refund in Refund.objects.filter(payment__funding_leg__cdr__charging_session=session_id):
            send_refund(refund_id=refund.pk)

    return {
        "settle": settle,
        "sweep": lambda _row_id: settle_overdue(now=clock.now()),
        "migrate": lambda row_id: run_migration(migration_id=row_id),
        "collect": lambda row_id: collect_leg(leg_id=row_id),
        "top_up": lambda row_id: top_up(driver_id=row_id, amount=eur("25.00"), key=UUID(int=row_id)),
        "refund": refund,
    }


def main() -> None:
    django.setup()
    from django.urls import get_resolver

    # Whatever is loaded late is loaded before the forks, once.
    work = verbs()
    _ = get_resolver().url_patterns, get_resolver().reverse_dict

    for line in sys.stdin:
        step, verb, row_id, moment = line.split()
        child = os.fork()
        if child == 0:
            lay(Fuse(int(step)))
            with time_machine.travel(datetime.fromisoformat(moment)):
                work[verb](int(row_id))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
        sys.stdout.write(f"{ended_by}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
