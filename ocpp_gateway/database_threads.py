"""Database work off the event loop: a bounded pool of threads with persistent, health-checked connections.

Channels' own bridge runs everything on one thread for the whole process, where one slow query delays every station.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

# Enough to keep a database busy, few enough to stay below its connection limit with many gateway processes.
THREADS = 8


class DatabaseThreads:
    """Runs synchronous services for coroutines. Queues when all threads are busy: that is the back-pressure."""

    def __init__(self, threads: int = THREADS) -> None:
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="gateway-database")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(_run, function, *args, **kwargs))

    def close(self) -> None:
        self._executor.shutdown(wait=False)


def _run(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    # What Django does around a request: drop connections past their age and have the rest checked before first use.
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
