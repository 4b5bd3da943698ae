"""Eight strangers and one free session a day. PostgreSQL."""

import threading

import pytest

from billing.models import ChargingSession
from billing.services.sessions import starting
from tests.billing.open_access.test_sessions import open_up
from tests.billing.payments.test_races import WORKERS, at_once
from tests.billing.sessions.conftest import stand_with
from tests.factories import ConnectorFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


def start_everywhere() -> int:
    """One start at each of eight connectors of a location with one free session a day; how many became free."""
    stand = stand_with()
    open_up(stand, max_sessions_per_day=1)
    point = stand.connector.charge_point
    for number in range(2, WORKERS + 1):
        ConnectorFactory(charge_point=point, number=number)
    at_once(lambda number: stand.start(id_tag=f"STRANGER{number}", connector_number=number + 1))
    return ChargingSession.objects.filter(open_access__isnull=False).count()


def test_the_last_free_session_of_a_day_goes_once() -> None:
    assert start_everywhere() == 1


def test_control_without_the_lock_it_goes_to_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    have_looked = threading.Barrier(WORKERS)

    def look_without_lock(connector, at):
        grant = starting.open_access_at(connector, at)
        have_looked.wait(timeout=30)
        return grant

    monkeypatch.setattr(starting, "take_open_access", look_without_lock)
    assert start_everywhere() == WORKERS
