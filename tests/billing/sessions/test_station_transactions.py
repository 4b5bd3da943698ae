"""Stations that number their transactions themselves (OCPP 2.0.1)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.models import ChargingSession, MeterValue
from billing.services.sessions import charging_state, request_start
from tests.billing.sessions.conftest import NOON
from tests.factories import ConnectorFactory, EvseFactory

pytestmark = pytest.mark.django_db

EARLIER = NOON - timedelta(minutes=10)


def test_a_transaction_is_one_session_whatever_else_its_report_says(stand):
    first = stand.start(station_transaction_id="TX-1")
    again = stand.start(station_transaction_id="TX-1", meter_start_wh=Decimal(7), started_at=EARLIER)
    assert again.session_id == first.session_id
    assert ChargingSession.objects.get().meter_start_wh == Decimal(1000)


def test_two_transactions_that_look_alike_are_two_sessions(stand):
    first = stand.start(station_transaction_id="TX-1")
    assert stand.start(station_transaction_id="TX-2").session_id != first.session_id


def test_another_charge_point_may_use_the_same_number(stand):
    other = ConnectorFactory()
    first = stand.start(station_transaction_id="TX-1")
    second = stand.start(station_transaction_id="TX-1", charge_point_id=other.charge_point_id)
    assert second.session_id != first.session_id


def test_a_start_answers_the_request_it_names_and_no_other(stand):
    request = request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
    unnamed = stand.start(station_transaction_id="TX-1", request_id=request.pk + 1)
    assert unnamed.session_id != request.pk
    named = stand.start(station_transaction_id="TX-2", request_id=request.pk, id_tag="")
    session = stand.session(request.pk)
    assert (named.session_id, session.status, session.id_tag) == (request.pk, "active", request.id_tag)


def test_a_start_told_late_leaves_the_session_that_began_after_it(stand):
    running = stand.start(station_transaction_id="TX-2")
    stand.start(station_transaction_id="TX-1", started_at=EARLIER, reported_at=EARLIER)
    assert stand.session(running.session_id).status == "active"


def test_without_a_register_at_the_start_the_first_one_counts(stand):
    session_id = stand.start(station_transaction_id="TX-1", meter_start_wh=None).session_id
    stand.meter(session_id, 5, "500")
    stand.meter(session_id, 10, "900")
    session = stand.session(session_id)
    assert (session.meter_start_wh, session.energy_wh) == (Decimal(1500), Decimal(400))


def test_a_session_that_never_had_a_register_waits_for_a_decision(stand):
    session_id = stand.start(station_transaction_id="TX-1", meter_start_wh=None).session_id
    stand.stop(session_id, 30, None)
    session = stand.session(session_id)
    assert (session.outcome, session.review_reason) == ("in_review", "meter_start_missing")
    assert "meter_stop_missing" in session.review_note


def test_what_the_gateway_doubts_is_not_billed_unseen(stand):
    session_id = stand.start(station_transaction_id="TX-1").session_id
    stand.stop(session_id, 30, "3000", doubt="start_report_missing")
    assert stand.session(session_id).review_reason == "start_report_missing"


def test_a_vehicle_that_requests_no_power_is_noted_once_per_moment(stand):
    session_id = stand.start(station_transaction_id="TX-1").session_id
    state = {"session_id": session_id, "at": NOON, "reported_at": NOON, "received_at": NOON}
    for _ in range(2):
        charging_state(charge_point_id=stand.connector.charge_point_id, requests_power=False, **state)
    assert list(MeterValue.objects.values_list("measurand", "value")) == [("charging", Decimal(0))]
    elsewhere = EvseFactory().charge_point_id
    assert not charging_state(charge_point_id=elsewhere, requests_power=True, **state).recognised
