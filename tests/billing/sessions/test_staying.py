"""After a stop the session waits for the vehicle exactly where staying could cost more."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.services.sessions import connector_status
from tests.billing.sessions.conftest import NOON, save_card, stand_with
from tests.factories import component, element, tariff_document

pytestmark = pytest.mark.django_db

PARKING = component("PARKING_TIME", "6.00")
NO_PARKING_AT_ALL = {"start_time": "08:00", "end_time": "20:00", "start_date": "2026-01-01", "end_date": "2026-02-01"}


@pytest.mark.parametrize(
    ("restrictions", "extensions", "status"),
    [
        ({}, {}, "finishing"),
        # Free now, but the vehicle may stay beyond it.
        ({}, {"idle": {"grace_minutes": 60}}, "finishing"),
        ({}, {"idle": {"free_from": "10:00", "free_until": "18:00"}}, "finishing"),
        # Nothing that could come within a day costs anything.
        ({}, {"idle": {"grace_minutes": 24 * 60}}, "ended"),
        ({}, {"idle": {"max_amount": 0}}, "ended"),
        (NO_PARKING_AT_ALL, {}, "ended"),
        ({"day_of_week": ["WEDNESDAY"]}, {}, "ended"),
    ],
)
def test_a_stop_waits_where_staying_could_cost_more(restrictions: Any, extensions: Any, status: str):
    """Friday noon, half an hour of charging."""
    extra = {"voltledger": extensions} if extensions else {}
    document = tariff_document(element(component("ENERGY", "0.40")), element(PARKING, **restrictions), **extra)
    assert stop(document) == status


def test_a_fee_that_the_stay_reaches_is_waited_for():
    fee = {"price": Decimal("1.50"), "after_minutes": 45}
    energy = element(component("ENERGY", "0.40"))
    assert stop(tariff_document(energy, voltledger={"connection_fee": fee})) == "finishing"
    reached = fee | {"after_minutes": 30}
    assert stop(tariff_document(energy, voltledger={"connection_fee": reached})) == "ended"


def test_a_highest_price_that_is_reached_is_not_waited_beyond():
    """5 kWh at 0.40 cost 2.00 net."""
    elements = [element(component("ENERGY", "0.40"), PARKING)]
    assert stop(tariff_document(*elements, max_price={"excl_vat": Decimal("2.00")})) == "ended"
    assert stop(tariff_document(*elements, max_price={"excl_vat": Decimal("2.01")})) == "finishing"


def stop(document: str) -> str:
    stand = stand_with(document)
    save_card(stand)
    session_id = stand.start().session_id
    for word, minutes in (("Charging", 0), ("Finishing", 30)):
        stand.connector.status = word
        stand.connector.save()
        connector_status(
            charge_point_id=stand.connector.charge_point_id,
            connector_number=1,
            status=word,
            at=NOON + timedelta(minutes=minutes),
        )
    stand.stop(session_id, 30, "5000")
    return stand.session(session_id).status
