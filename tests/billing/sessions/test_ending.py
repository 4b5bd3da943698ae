"""Stops: the first wins, the doubtful is parked, nothing is lost."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django_q.models import OrmQ

from billing.models import ChargingSession, Hold
from billing.services.sessions import cancel_request, close_overdue_sessions, connector_status, request_start
from locations.models import Connector
from tests.billing.sessions.conftest import NOON, stand_with
from tests.billing.sessions.test_starting import top_up
from tests.factories import ConnectorFactory

pytestmark = pytest.mark.django_db


def status(stand, value, minutes):
    at = NOON + timedelta(minutes=minutes)
    Connector.objects.filter(pk=stand.connector.pk).update(status=value, status_at=at)
    return connector_status(
        charge_point_id=stand.connector.charge_point_id, connector_number=stand.connector.number, status=value, at=at
    )


def test_a_stop_ends_the_session_and_queues_its_settlement_once(stand):
    session_id = stand.start().session_id
    result = stand.stop(session_id, 30, "5000", reason="Local")
    session = stand.session(session_id)
    assert (result.recognised, result.parked) == (True, False)
    assert (session.status, session.outcome, session.stop_reason) == ("ended", "pending", "Local")
    assert (session.energy_wh, session.ended_at) == (5000, NOON + timedelta(minutes=30))
    assert OrmQ.objects.count() == 1


def test_the_same_stop_again_is_acknowledged_and_changes_nothing(stand):
    session_id = stand.start().session_id
    first = stand.stop(session_id, 30, "5000")
    again = stand.stop(session_id, 30, "5000")
    assert (again.recognised, again.parked, again.session_id) == (True, False, first.session_id)
    assert OrmQ.objects.count() == 1


def test_a_different_second_stop_is_parked_and_the_first_wins(stand):
    session_id = stand.start().session_id
    stand.stop(session_id, 30, "5000")
    second = stand.stop(session_id, 30, "9000")
    assert (second.parked, second.reason) == (True, "second_stop_differs")
    assert stand.session(session_id).energy_wh == 5000


@pytest.mark.parametrize("unknown", [999_999, 0, -1, 2**63 - 1])
def test_a_stop_for_no_session_is_not_recognised(stand, unknown):
    result = stand.stop(unknown, 30, "5000")
    assert (result.recognised, result.parked, result.reason) == (False, True, "unknown_transaction")


@pytest.mark.parametrize("placeholder", [0, -1, 2**63 - 1])
def test_a_placeholder_id_is_matched_by_tag_time_and_meter(stand, placeholder):
    session_id = stand.start().session_id
    assert stand.stop(placeholder, 30, "5000", id_tag=stand.token.id_tag.lower()).session_id == session_id
    assert stand.session(session_id).status == "ended"


def test_a_placeholder_id_that_fits_two_sessions_is_not_guessed(stand):
    ConnectorFactory(evse__charge_point=stand.connector.charge_point, evse__number=2)
    stand.start()
    stand.start(connector_number=2)
    assert not stand.stop(-1, 30, "5000").recognised


def test_another_charge_point_cannot_stop_a_session(stand):
    session_id = stand.start().session_id
    other = ConnectorFactory()
    assert not stand.stop(session_id, 30, "5000", charge_point_id=other.charge_point_id).recognised
    assert stand.session(session_id).status == "active"


@pytest.mark.parametrize(
    ("energy_wh", "doubt", "kept_wh"),
    [
        (None, "meter_stop_missing", 2000),
        ("-1001", "meter_stop_invalid", 2000),
        ("-500", "meter_stop_invalid", 2000),
        ("1500", "meter_stop_invalid", 2000),
        ("1999", "meter_stop_invalid", 2000),
        ("909000", "energy_above_rated_power", 2000),
    ],
)
def test_a_doubtful_register_parks_the_session_with_the_last_good_value(stand, energy_wh, doubt, kept_wh):
    session_id = stand.start().session_id
    stand.meter(session_id, 15, "2000")
    result = stand.stop(session_id, 30, energy_wh)
    session = stand.session(session_id)
    assert (result.parked, result.reason) == (False, doubt)
    assert (session.outcome, session.review_reason, session.energy_wh) == ("in_review", doubt, kept_wh)
    assert not OrmQ.objects.exists()


def test_a_register_rounded_to_whole_wh_is_no_doubt(stand):
    session_id = stand.start().session_id
    stand.meter(session_id, 15, "2000.7")
    stand.stop(session_id, 30, "2000")
    session = stand.session(session_id)
    assert (session.outcome, session.energy_wh, session.meter_stop_wh) == ("pending", 2000, 3000)


def test_a_paid_place_stays_occupied_until_the_vehicle_leaves(parking_stand):
    stand = parking_stand
    session_id = stand.start().session_id
    status(stand, "Charging", 0)
    status(stand, "Finishing", 30)
    stand.stop(session_id, 30, "5000")
    assert stand.session(session_id).status == "finishing"
    assert not OrmQ.objects.exists()
    status(stand, "Available", 50)
    session = stand.session(session_id)
    assert (session.status, session.stopped_at, session.ended_at) == (
        "ended",
        NOON + timedelta(minutes=30),
        NOON + timedelta(minutes=50),
    )
    assert OrmQ.objects.count() == 1


def test_where_staying_costs_nothing_the_stop_is_the_end(stand):
    session_id = stand.start().session_id
    status(stand, "Finishing", 30)
    stand.stop(session_id, 30, "5000")
    assert stand.session(session_id).status == "ended"


def test_available_before_the_stop_does_not_end_a_session(stand):
    session_id = stand.start().session_id
    status(stand, "Available", 10)
    assert stand.session(session_id).status == "active"


def test_sessions_that_lost_their_stop_or_their_unplug_report_come_to_review(parking_stand):
    stand = parking_stand
    silent = stand.start().session_id
    stand.meter(silent, 10, "1000")
    late = NOON + timedelta(hours=24, minutes=11)
    assert close_overdue_sessions(now=NOON + timedelta(hours=24)) == 0
    assert close_overdue_sessions(now=late) == 1
    assert close_overdue_sessions(now=late) == 0
    session = stand.session(silent)
    assert (session.review_reason, session.ended_at) == ("no_stop_report", NOON + timedelta(minutes=10))


def test_a_request_nobody_answers_gives_the_money_back():
    stand = stand_with(wallet=True)
    top_up(stand.contract.driver_id, "30")
    session = request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
    assert request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id) == session
    assert Hold.objects.get().status == "active"
    assert close_overdue_sessions(now=session.start_deadline_at + timedelta(seconds=1)) == 1
    assert Hold.objects.get().status == "released"
    assert stand.session(session.pk).status == "cancelled"
    assert cancel_request(session_id=session.pk, reason="again") is None


def test_the_start_that_answers_a_request_becomes_that_session(stand):
    requested = request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
    result = stand.start(id_tag=requested.id_tag)
    session = stand.session(result.session_id)
    assert (result.session_id, session.status, session.channel) == (requested.pk, "active", "app")
    assert ChargingSession.objects.count() == 1


def test_the_live_cost_of_parking_goes_on_after_charging(parking_stand):
    stand = parking_stand
    session_id = stand.start().session_id
    status(stand, "SuspendedEV", 30)
    stand.meter(session_id, 30, "5000")
    stand.meter(session_id, 40, "5000")
    # 2.00 € energy + 10 min x 6.00 €/h = 3.00 net, 3.57 gross.
    assert stand.session(session_id).live_gross == Decimal("3.57")


def test_the_first_stop_of_a_session_closed_without_one_completes_and_settles_it(stand):
    session_id = stand.start().session_id
    stand.meter(session_id, 10, "1000")
    close_overdue_sessions(now=NOON + timedelta(hours=25))
    result = stand.stop(session_id, 30, "5000")
    session = stand.session(session_id)
    assert (result.recognised, result.parked) == (True, False)
    assert (session.outcome, session.review_reason, session.energy_wh) == ("pending", "", 5000)
    assert session.ended_at == NOON + timedelta(minutes=30)
    assert OrmQ.objects.count() == 1


def test_a_late_stop_that_is_doubtful_itself_stays_in_review(stand):
    session_id = stand.start().session_id
    close_overdue_sessions(now=NOON + timedelta(hours=25))
    stand.stop(session_id, 30, "909000")
    session = stand.session(session_id)
    assert (session.outcome, session.review_reason) == ("in_review", "no_stop_report")
    assert "energy_above_rated_power" in session.review_note
    assert not OrmQ.objects.exists()


def test_one_spike_in_the_meter_does_not_replace_the_true_register(stand):
    session_id = stand.start().session_id
    stand.meter(session_id, 5, "900")
    stand.meter(session_id, 6, "9000000")
    assert stand.session(session_id).energy_wh == 900
    stand.stop(session_id, 30, "5000")
    session = stand.session(session_id)
    assert (session.outcome, session.energy_wh) == ("pending", 5000)


def test_a_doubtful_stop_sent_again_is_acknowledged_under_any_id(stand):
    session_id = stand.start().session_id
    stand.meter(session_id, 15, "2000")
    stand.stop(session_id, 30, "1500")
    for transaction_id in (session_id, -1):
        again = stand.stop(transaction_id, 30, "1500", id_tag=stand.token.id_tag)
        assert (again.recognised, again.parked, again.session_id) == (True, False, session_id)


def test_a_placeholder_stop_sent_again_does_not_end_another_session(stand):
    ConnectorFactory(evse__charge_point=stand.connector.charge_point, evse__number=2)
    first = stand.start().session_id
    stand.stop(-1, 30, "5000", id_tag=stand.token.id_tag)
    second = stand.start(connector_number=2, reported_at=NOON + timedelta(minutes=1)).session_id
    assert stand.stop(-1, 30, "5000", id_tag=stand.token.id_tag).session_id == first
    assert stand.session(second).status == "active"


def test_the_next_start_ends_a_session_whose_vehicle_left_unseen_when_it_stopped(parking_stand):
    stand = parking_stand
    first = stand.start().session_id
    status(stand, "Finishing", 30)
    stand.stop(first, 30, "5000")
    stand.start(reported_at=NOON + timedelta(hours=3), started_at=NOON + timedelta(hours=3))
    session = stand.session(first)
    assert (session.outcome, session.ended_at) == ("pending", NOON + timedelta(minutes=30))
