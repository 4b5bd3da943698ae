"""Many stations at once, on PostgreSQL: every start is recorded, and a connector has one session."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from billing.models import ChargingSession, Hold
from billing.selectors.wallets import available_in_wallet
from billing.services.admission import admit
from common import clock
from tests.billing.sessions.conftest import NOON, save_card, stand_with
from tests.billing.sessions.test_starting import top_up
from tests.factories import ConnectorFactory

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

STARTS = 8


def at_once(actions):
    """Run all actions together; whatever one raises fails the test."""
    barrier = threading.Barrier(len(actions))
    errors = []

    def run(action):
        barrier.wait()
        try:
            action()
        except Exception as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


def test_starts_that_lose_the_race_for_a_wallet_are_recorded_all_the_same():
    stand = stand_with(wallet=True)
    top_up(stand.contract.driver_id, "20")
    points = [stand.connector, *(ConnectorFactory() for _ in range(STARTS - 1))]
    at_once([lambda p=p: stand.start(charge_point_id=p.charge_point_id, connector_number=p.number) for p in points])
    outcomes = list(ChargingSession.objects.values_list("review_reason", flat=True))
    assert sorted(outcomes) == [""] + ["insufficient_funds"] * (STARTS - 1)
    assert Hold.objects.count() == 1
    assert available_in_wallet(stand.contract.driver_id, "EUR") == 0


def test_control_without_the_lock_every_start_is_promised_the_same_money():
    """Admission reads what is available and reserves nothing: a start without its lock on the wallet."""
    stand = stand_with(wallet=True)
    top_up(stand.contract.driver_id, "20")
    everybody_has_read = threading.Barrier(STARTS)
    promised = []

    def admit_without_lock():
        admission = admit(driver_id=stand.contract.driver_id, at=clock.now(), power_class="AC")
        everybody_has_read.wait(timeout=30)
        promised.append(admission.wallet_hold)

    at_once([admit_without_lock] * STARTS)
    assert sum(promised) == 20 * STARTS


def test_a_connector_has_one_running_session_however_many_starts_come_at_once():
    stand = stand_with()
    save_card(stand)
    at_once([lambda n=n: stand.start(reported_at=NOON + timedelta(seconds=n)) for n in range(STARTS)])
    assert ChargingSession.objects.count() == STARTS
    assert ChargingSession.objects.filter(status="active").count() == 1


def test_one_report_on_many_sockets_is_one_session():
    stand = stand_with()
    save_card(stand)
    at_once([stand.start] * STARTS)
    assert ChargingSession.objects.count() == 1
