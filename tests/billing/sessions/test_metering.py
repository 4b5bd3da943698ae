"""Meter values: stored once, priced live, and a limit that stops in time."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.domain.samples import MeterSample
from billing.models import Hold, MeterValue
from tests.billing.sessions.conftest import NOON, stand_with
from tests.billing.sessions.test_starting import top_up
from tests.factories import ConnectorFactory

pytestmark = pytest.mark.django_db


def test_the_live_cost_is_what_has_been_used_so_far(stand):
    session_id = stand.start().session_id
    directive = stand.meter(session_id, 30, "5000")
    session = stand.session(session_id)
    # 5 kWh x 0.40 = 2.00 net, 2.38 gross.
    assert (session.energy_wh, session.live_gross) == (Decimal(5000), Decimal("2.38"))
    assert (directive.stop, directive.warn) == (False, False)
    assert directive.public_id == session.public_id


def test_a_resent_sample_changes_nothing(stand):
    session_id = stand.start().session_id
    for _ in range(3):
        stand.meter(session_id, 30, "5000")
    assert MeterValue.objects.count() == 1
    assert stand.session(session_id).live_gross == Decimal("2.38")


def test_a_register_that_falls_back_keeps_the_last_good_value(stand):
    session_id = stand.start().session_id
    stand.meter(session_id, 30, "5000")
    stand.meter(session_id, 31, "-1000")
    assert stand.session(session_id).energy_wh == 5000


def test_without_a_session_id_the_running_session_of_the_connector_is_meant(stand):
    session_id = stand.start().session_id
    assert stand.meter(None, 5, "700").session_id == session_id
    assert stand.session(session_id).energy_wh == 700


def test_another_charge_point_s_session_id_has_no_effect(stand):
    session_id = stand.start().session_id
    other = ConnectorFactory()
    directive = stand.meter(session_id, 5, "700", charge_point_id=other.charge_point_id)
    assert (directive.recognised, directive.reason) == (False, "unknown_session")
    assert stand.session(session_id).energy_wh == 0
    assert not MeterValue.objects.exists()


def test_samples_after_the_stop_are_kept_and_move_nothing(stand):
    session_id = stand.start().session_id
    stand.stop(session_id, 30, "5000")
    stand.meter(session_id, 31, "9000")
    assert MeterValue.objects.count() == 1
    assert stand.session(session_id).energy_wh == 5000


def test_power_and_state_of_charge_are_shown(stand):
    session_id = stand.start().session_id
    at = NOON + timedelta(minutes=1)
    samples = [MeterSample(at, at, "power_w", Decimal(10950)), MeterSample(at, at, "soc_percent", Decimal(55))]
    stand.meter(session_id, 1, "0", samples=samples)
    session = stand.session(session_id)
    assert (session.power_w, session.soc_percent) == (10950, 55)


def test_a_wallet_session_reserves_more_while_there_is_more_then_stops_in_time():
    stand = stand_with(wallet=True, hold_policy={"AC": "2.00"})
    top_up(stand.contract.driver_id, "3.00")
    session_id = stand.start().session_id
    # 0.476 € gross per kWh; 11 kW use 0.0873 € more within the minute looked ahead.
    assert not stand.meter(session_id, 10, "1800").warn
    near = stand.meter(session_id, 20, "3600")
    assert (near.stop, near.warn) == (False, True)
    extended = stand.meter(session_id, 23, "4200")
    assert (extended.stop, extended.reason) == (False, "limit_extended")
    assert stand.session(session_id).spend_limit == 3
    assert [hold.amount for hold in Hold.objects.order_by("pk")] == [2, 1]
    stop = stand.meter(session_id, 34, "6250")
    assert (stop.stop, stop.reason) == (True, "limit_reached")
    assert stand.session(session_id).live_gross < 3


def test_a_session_asked_to_stop_is_told_so_until_it_does():
    stand = stand_with(wallet=True)
    top_up(stand.contract.driver_id, "0.50")
    session_id = stand.start().session_id
    assert stand.meter(session_id, 6, "1000").stop
    assert stand.meter(session_id, 7, "1010").stop
