"""The bank's answer about a hold and the end of its session, at the same moment. PostgreSQL."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from djmoney.money import Money

from billing.models import ChargingSession, FakeProviderObject, FundingLeg, Hold
from billing.providers.base import CaptureRequest, PaymentRequest, ProviderResult
from billing.providers.errors import ProviderError
from billing.providers.registry import get_provider
from billing.services.card_holds import record_hold_result, release_card_hold
from billing.services.payments import collect_leg
from billing.services.sessions import cancel_request
from billing.services.settlement import settle_session
from ocpp_gateway.services.commands import queue_command
from tests.billing.payments.held import (
    CAPTURED,
    SIX_TWENTY_WH,
    catch_up,
    outcome,
    preauth_stand,
    requested,
    started,
)
from tests.billing.payments.test_races import at_once
from tests.billing.payments.world import work_off_queue
from tests.billing.sessions.conftest import NOON

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


def answer_about(hold: Hold) -> ProviderResult:
    """The bank agrees; what it says has not reached us yet."""
    assert hold.method is not None
    return get_provider().hold(
        PaymentRequest(
            idempotency_key=hold.idempotency_key,
            customer=hold.method.provider_customer,
            method=hold.method.provider_reference,
            amount=Money("25.00", "EUR"),
            description="",
            return_url=settings.SITE_URL,
        )
    )


def test_capture_and_release_at_once_take_the_money_once() -> None:
    with time_machine.travel(NOON, tick=False) as now:
        stand = preauth_stand("visa")
        session = started(stand)
        work_off_queue()
        now.move_to(NOON + timedelta(minutes=95))
        stand.stop(session.pk, 90, SIX_TWENTY_WH)
        hold_id = Hold.objects.get().pk

        def work(number: int) -> None:
            if number % 2:
                release_card_hold(hold_id=hold_id)
                return
            settle_session(session_id=session.pk)
            collect_leg(leg_id=FundingLeg.objects.get(cdr__charging_session=session).pk)

        at_once(work)
        catch_up()
        assert outcome(session) == CAPTURED


def test_control_without_the_lock_the_hold_is_let_go_before_it_is_captured() -> None:
    """Reads that the hold is active, then acts: what the session's lock prevents."""
    with time_machine.travel(NOON, tick=False):
        stand = preauth_stand("visa")
        session = started(stand)
        work_off_queue()
        hold = Hold.objects.get()
        have_read, is_released = threading.Barrier(8), threading.Event()

        def work(number: int) -> None:
            assert Hold.objects.get().status == Hold.Status.ACTIVE
            have_read.wait(timeout=30)
            if number:
                get_provider().release(idempotency_key=f"unlocked:{number}", reference=hold.provider_reference)
                is_released.set()
                return
            is_released.wait(timeout=30)
            with suppress(ProviderError):
                get_provider().capture(CaptureRequest("unlocked", hold.provider_reference, Money("6.20", "EUR")))

        at_once(work)
        at_bank = FakeProviderObject.objects.get(kind="payment", idempotency_key__contains=str(session.public_id))
        assert (at_bank.state, at_bank.data["captured"]) == ("cancelled", "0")


def race(first: Callable[[], object], second: Callable[[], object]) -> None:
    at_once(lambda number: (first if number % 2 else second)())


def test_no_start_is_sent_for_a_request_that_was_cancelled_at_the_same_moment() -> None:
    with time_machine.travel(NOON, tick=False) as now:
        session = requested(preauth_stand("visa"))
        hold = Hold.objects.get()
        Hold.objects.update(sent_at=NOON)
        answer = answer_about(hold)
        race(
            lambda: record_hold_result(hold_id=hold.pk, result=answer),
            lambda: cancel_request(session_id=session.pk, reason="start_deadline_passed"),
        )
        now.shift(timedelta(minutes=2))
        catch_up()
        assert (outcome(session).holds, session.status) == ([("released", 0)], "cancelled")
        assert not session.commands.exists()


def test_control_without_the_lock_a_start_is_sent_for_a_cancelled_request() -> None:
    with time_machine.travel(NOON, tick=False):
        session = requested(preauth_stand("visa"))
        have_read, is_cancelled = threading.Barrier(2), threading.Event()

        def start_without_lock() -> None:
            stale = ChargingSession.objects.get(pk=session.pk)
            have_read.wait(timeout=30)
            is_cancelled.wait(timeout=30)
            if stale.status == ChargingSession.Status.REQUESTED:
                queue_command(
                    charge_point_id=stale.charge_point_id,
                    action="RemoteStartTransaction",
                    payload={"connectorId": 1, "idTag": "ADA"},
                    session_id=stale.pk,
                )
            connection.close()

        worker = threading.Thread(target=start_without_lock)
        worker.start()
        have_read.wait(timeout=30)
        cancel_request(session_id=session.pk, reason="start_deadline_passed")
        is_cancelled.set()
        worker.join(timeout=60)
        session.refresh_from_db()
        assert (session.status, session.commands.count()) == ("cancelled", 1)
