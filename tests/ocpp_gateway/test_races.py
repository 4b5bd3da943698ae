"""Two gateway processes look for commands at the same moment: each command goes out once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from common import clock
from locations.models import ChargePoint
from ocpp_gateway.models import Command
from ocpp_gateway.services import commands
from ocpp_gateway.services.commands import queue_command, take_commands
from tests.factories import ChargePointFactory

pytestmark = pytest.mark.postgresql

POINTS = 10


@pytest.fixture
def held(transactional_db: None) -> set[int]:
    """Charge points with a command each; both processes believe that they hold the sockets."""
    charge_points: list[ChargePoint] = ChargePointFactory.create_batch(POINTS)
    for charge_point in charge_points:
        queue_command(charge_point_id=charge_point.pk, action="ClearCache", payload={})
    return {charge_point.pk for charge_point in charge_points}


def take_in_two_threads(held: set[int]) -> list[int]:
    start = threading.Barrier(2, timeout=10)

    def process() -> list[int]:
        try:
            start.wait()
            return [command.pk for command in take_commands(held=held, now=clock.now())]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(process), pool.submit(process)
        return sorted(first.result(30) + second.result(30))


def test_each_command_is_taken_once(held: set[int]) -> None:
    assert take_in_two_threads(held) == sorted(Command.objects.values_list("pk", flat=True))
    assert set(Command.objects.values_list("attempts", flat=True)) == {1}


def test_control_without_the_lock_takes_them_twice(held: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    both_have_read = threading.Barrier(2, timeout=10)

    def read_without_lock(queryset: Any) -> list[Any]:
        rows = list(queryset)
        both_have_read.wait()
        return rows

    monkeypatch.setattr(commands, "lock_rows", read_without_lock)
    assert len(take_in_two_threads(held)) == 2 * POINTS
