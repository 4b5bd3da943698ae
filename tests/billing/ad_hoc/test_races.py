"""Eight payers at one connector, and one payer eight times: one start, one hold. PostgreSQL."""

import threading

import pytest
import time_machine

from billing.models import AdHocSession, ChargingSession, FakeProviderObject, Hold, PaymentMethod
from billing.services.books import assert_books
from billing.services.sessions.requesting import request_ad_hoc_start
from locations.models import Connector
from tests.billing.ad_hoc.world import agreed, card_left, come_back
from tests.billing.payments.test_races import WORKERS, at_once
from tests.billing.payments.world import work_off_queue
from tests.billing.sessions.conftest import NOON, stand_with

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


def test_of_eight_payers_one_starts_and_one_amount_is_held() -> None:
    with time_machine.travel(NOON, tick=False):
        connector = stand_with().connector
        cards = [card_left(agreed(connector)) for _number in range(WORKERS)]
        at_once(lambda number: come_back(cards[number]))
        work_off_queue()
        assert ChargingSession.objects.count() == Hold.objects.count() == 1
        assert AdHocSession.objects.filter(refusal_code="connector_busy").count() == WORKERS - 1
        assert FakeProviderObject.objects.filter(kind="payment", state="held").count() == 1
        assert PaymentMethod.objects.filter(status="active").count() == 1
        assert_books()


def test_one_payer_who_comes_back_eight_times_starts_once() -> None:
    with time_machine.travel(NOON, tick=False):
        order = agreed(stand_with().connector)
        reference = card_left(order)
        at_once(lambda _number: come_back(reference))
        work_off_queue()
        assert ChargingSession.objects.count() == Hold.objects.count() == PaymentMethod.objects.count() == 1


def test_control_without_the_connectors_lock_all_of_them_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks whether the connector is free, then starts: what the connector's lock prevents."""
    have_looked = threading.Barrier(WORKERS)

    def look_without_lock(connector_id: int) -> Connector:
        return Connector.objects.select_related("charge_point__location").get(pk=connector_id)

    def is_free(connector: Connector) -> None:
        assert not ChargingSession.objects.filter(connector=connector).exists()
        have_looked.wait(timeout=30)

    with time_machine.travel(NOON, tick=False):
        connector = stand_with().connector
        orders = [agreed(connector) for _number in range(WORKERS)]
        monkeypatch.setattr("billing.services.sessions.requesting.lock_connector", look_without_lock)
        monkeypatch.setattr("billing.services.sessions.requesting.check_ready", is_free)
        at_once(lambda number: request_ad_hoc_start(order=orders[number]))
        assert ChargingSession.objects.filter(connector=connector, status="requested").count() == WORKERS
