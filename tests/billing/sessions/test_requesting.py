"""Starts and stops asked for from the site: one driver per connector, refusals in words."""

import pytest

from accounts.models import AuditEvent
from billing.admission_errors import (
    ChargePointOffline,
    ConnectorBusy,
    ConnectorNotReady,
    NoPaymentMethod,
    SessionNotRunning,
)
from billing.models import ChargingSession
from billing.services.sessions import request_start, request_stop
from locations.models import ChargePoint, Connector
from tests.billing.sessions.conftest import stand_with
from tests.factories import ContractFactory, StaffFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda: ChargePoint.objects.update(is_connected=False), ChargePointOffline),
        (lambda: ChargePoint.objects.update(admission="retired"), ConnectorNotReady),
        (lambda: Connector.objects.update(status="Faulted"), ConnectorNotReady),
        (lambda: Connector.objects.update(status="Unknown"), ConnectorNotReady),
    ],
)
def test_a_place_that_cannot_charge_is_refused_and_nothing_changes(stand, spoil, error):
    spoil()
    with pytest.raises(error):
        request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
    assert not ChargingSession.objects.exists()


def test_a_driver_who_cannot_pay_is_told_what_to_do():
    stand = stand_with()
    with pytest.raises(NoPaymentMethod, match="Payment methods"):
        request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)


def test_two_drivers_are_not_promised_one_connector(stand):
    request_start(connector_id=stand.connector.pk, driver_id=stand.contract.driver_id)
    other = ContractFactory(contract_type=stand.contract.contract_type)
    with pytest.raises(ConnectorBusy):
        request_start(connector_id=stand.connector.pk, driver_id=other.driver_id)


def test_asking_twice_to_stop_leaves_one_trace(stand):
    session_id = stand.start().session_id
    otto = StaffFactory()
    for _ in range(2):
        request_stop(session_id=session_id, actor_id=otto.pk, reason="asked on the phone")
    event = AuditEvent.objects.get(action="session_stop_requested")
    assert (event.actor, event.reason) == (otto, "asked on the phone")
    assert stand.meter(session_id, 1, "10").stop


def test_an_ended_session_cannot_be_asked_to_stop(stand):
    session_id = stand.start().session_id
    stand.stop(session_id, 30, "5000")
    with pytest.raises(SessionNotRunning):
        request_stop(session_id=session_id, actor_id=None, reason="late")
