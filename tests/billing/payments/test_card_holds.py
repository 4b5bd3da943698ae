"""A pre-authorised session through time: what is held, taken and let go, and what the books say."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from billing.models import ChargingSession, FakeProviderObject, Hold, HoldPolicy, Payment
from billing.providers.fake import bank
from billing.services.card_holds import reread_hold
from billing.services.refunds import refund_session
from tests.billing.payments.held import (
    ABOVE_HOLD_WH,
    CAPTURED,
    SIX_TWENTY_WH,
    Outcome,
    catch_up,
    look,
    outcome,
    preauth_stand,
    requested,
    started,
)
from tests.billing.payments.world import save_card, work_off_queue
from tests.billing.sessions.conftest import NOON, Stand
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = Decimal(0)


@pytest.fixture
def now() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def stand(now: time_machine.Traveller, transactional_db: None) -> Stand:
    return preauth_stand("visa")


def stop_and_settle(
    now: time_machine.Traveller, stand: Stand, session: ChargingSession, wh: str = SIX_TWENTY_WH
) -> None:
    """Six hours later: the vehicle leaves, the session is settled."""
    now.move_to(NOON + timedelta(hours=6))
    stand.stop(session.pk, 360, wh)
    work_off_queue()


class TestStart:
    def test_a_card_at_the_charge_point_starts_at_once_and_the_hold_follows(self, stand: Stand) -> None:
        session = started(stand)
        assert session.status == "active"
        assert outcome(session).holds == [("asked", 0)]

        assert work_off_queue() == ["place_card_hold", "deliver_fake_event", "process_provider_event"]

        hold = Hold.objects.get()
        assert (hold.status, hold.amount, hold.expires_at) == ("active", 25, NOON + timedelta(days=7))
        # The buffer of 2 % is kept back.
        assert stand.session(session.pk).spend_limit == Decimal("24.50")

    def test_a_start_from_the_site_waits_for_the_bank(self, stand: Stand) -> None:
        session = requested(stand)
        assert outcome(session).holds == [("asked", 0)]
        assert look() == 0
        work_off_queue()
        assert outcome(session).holds == [("active", 0)]
        assert (look(), look()) == (1, 0)
        assert [command.action for command in session.commands.all()] == ["RemoteStartTransaction"]

    def test_a_request_that_is_over_is_not_sent_any_more(self, stand: Stand, now: time_machine.Traveller) -> None:
        session = requested(stand)
        work_off_queue()
        now.move_to(NOON + timedelta(seconds=120))
        assert look() == 0
        assert not session.commands.exists()

    def test_a_refused_hold_starts_nothing(self, now: time_machine.Traveller) -> None:
        session = requested(preauth_stand("insufficient_funds"))
        work_off_queue()
        assert outcome(session).holds == [("refused", 0)]
        assert (session.status, session.stop_reason) == ("cancelled", "hold_refused")
        assert look() == 0
        assert not session.commands.exists()

    def test_the_next_card_is_tried_when_one_is_refused_for_good(self, now: time_machine.Traveller) -> None:
        session = requested(preauth_stand("stolen_card", "visa"))
        work_off_queue()
        assert outcome(session).holds == [("refused", 0), ("active", 0)]
        assert (look(), look(), session.commands.count()) == (1, 0, 1)

    def test_a_refused_hold_stops_what_charges_and_what_was_used_is_paid_afterwards(
        self, now: time_machine.Traveller
    ) -> None:
        stand = preauth_stand("insufficient_funds")
        session = started(stand)
        work_off_queue()
        assert (look(), look()) == (1, 0)
        session.refresh_from_db()
        assert session.stop_request_reason == "hold_refused"
        assert [command.action for command in session.commands.all()] == ["RemoteStopTransaction"]

        now.move_to(NOON + timedelta(minutes=60))
        stand.stop(session.pk, 60, "5000")
        work_off_queue()

        assert outcome(session) == Outcome(
            [("refused", NOTHING)],
            [("card", Decimal("2.38"), "retrying")],
            charged=NOTHING,
            posted=NOTHING,
            owed=Decimal("2.38"),
        )

    def test_the_bank_wants_the_driver_who_confirms(self, now: time_machine.Traveller) -> None:
        session = requested(preauth_stand("confirm_each"))
        work_off_queue()
        hold = Hold.objects.get()
        assert (hold.status, bool(hold.action_url)) == ("requires_action", True)
        assert look() == 0

        bank.answer_bank(payment_reference=hold.provider_reference, is_confirmed=True)
        reread_hold(hold_id=hold.pk)
        work_off_queue()

        assert outcome(session).holds == [("active", 0)]
        assert (look(), session.commands.count()) == (1, 1)

    def test_without_a_word_from_the_bank_a_running_session_is_stopped(
        self, stand: Stand, now: time_machine.Traveller
    ) -> None:
        session = started(stand)
        bank.set_outage(True)
        catch_up()
        now.move_to(NOON + timedelta(seconds=119))
        catch_up()
        assert not stand.session(session.pk).stop_request_reason
        now.move_to(NOON + timedelta(seconds=121))
        catch_up()
        assert stand.session(session.pk).stop_request_reason == "hold_not_placed"
        assert stand.meter(session.pk, 3, "300").stop

    def test_an_answer_that_got_lost_is_found(self, now: time_machine.Traveller) -> None:
        session = started(preauth_stand("answer_lost"))
        work_off_queue()
        now.move_to(NOON + timedelta(minutes=2))
        catch_up()
        assert outcome(session).holds == [("active", 0)]
        assert FakeProviderObject.objects.filter(kind="payment").count() == 1

    def test_a_session_over_before_the_bank_was_asked_is_paid_afterwards(
        self, stand: Stand, now: time_machine.Traveller
    ) -> None:
        session = started(stand)
        now.move_to(NOON + timedelta(hours=6))
        stand.stop(session.pk, 360, SIX_TWENTY_WH)
        catch_up()
        now.move_to(NOON + timedelta(hours=6, minutes=2))
        catch_up()
        found = outcome(session)
        assert (found.holds, found.charged) == ([("released", 0)], Decimal("6.20"))


class TestEnd:
    def test_what_was_used_is_captured_and_the_rest_let_go(self, stand: Stand, now: time_machine.Traveller) -> None:
        session = started(stand)
        work_off_queue()
        stop_and_settle(now, stand, session)
        assert outcome(session) == CAPTURED
        assert FakeProviderObject.objects.get(kind="payment").data["captured"] == "6.20"

    def test_what_goes_beyond_the_hold_is_debt(self, stand: Stand, now: time_machine.Traveller) -> None:
        session = started(stand)
        work_off_queue()
        stop_and_settle(now, stand, session, ABOVE_HOLD_WH)
        assert outcome(session) == Outcome(
            [("captured", Decimal(25))],
            [("card", Decimal(25), "paid"), ("debt", Decimal("3.56"), "due")],
            charged=Decimal(25),
            posted=Decimal(25),
            owed=Decimal("3.56"),
        )

    def test_nothing_delivered_is_let_go_within_a_minute(self, stand: Stand, now: time_machine.Traveller) -> None:
        session = started(stand)
        work_off_queue()
        now.move_to(NOON + timedelta(minutes=5))
        stand.stop(session.pk, 5, "0")
        now.shift(timedelta(seconds=1))
        work_off_queue()
        assert outcome(session).holds == [("released", 0)]
        assert session.free_rule == "no_energy"
        resolved_at = Hold.objects.values_list("resolved_at", flat=True).get()
        assert resolved_at - session.ended_at <= timedelta(seconds=60)

    def test_a_start_that_never_comes_is_let_go_at_its_deadline(
        self, stand: Stand, now: time_machine.Traveller
    ) -> None:
        session = requested(stand)
        work_off_queue()
        now.move_to(NOON + timedelta(seconds=121))
        catch_up()
        assert outcome(session).holds == [("released", 0)]
        assert (session.status, session.stop_reason) == ("cancelled", "start_deadline_passed")

    def test_an_answer_after_the_deadline_is_let_go(self, now: time_machine.Traveller) -> None:
        session = requested(preauth_stand("answer_lost"))
        work_off_queue()
        now.move_to(NOON + timedelta(seconds=121))
        catch_up()
        assert outcome(session).holds == [("released", 0)]

    def test_an_unconfirmed_hold_is_called_off_with_its_request(self, now: time_machine.Traveller) -> None:
        session = requested(preauth_stand("confirm_each"))
        work_off_queue()
        now.move_to(NOON + timedelta(seconds=121))
        catch_up()
        assert outcome(session).holds == [("released", 0)]
        assert FakeProviderObject.objects.get(kind="payment").state == "cancelled"

    def test_a_hold_that_expired_before_it_was_captured_becomes_a_charge(
        self, stand: Stand, now: time_machine.Traveller
    ) -> None:
        session = started(stand)
        work_off_queue()
        now.move_to(NOON + timedelta(hours=6))
        stand.stop(session.pk, 360, SIX_TWENTY_WH)
        ChargingSession.objects.filter(pk=session.pk).update(outcome="in_review", review_reason="asked")
        now.move_to(NOON + timedelta(days=8))
        catch_up()
        assert outcome(session).holds == [("expired", 0)]
        ChargingSession.objects.filter(pk=session.pk).update(outcome="pending", review_reason="")
        catch_up()
        found = outcome(session)
        assert (found.legs, found.charged, found.owed) == ([("card", Decimal("6.20"), "paid")], Decimal("6.20"), 0)

    def test_a_hold_that_expires_under_our_hands_becomes_a_charge(
        self, stand: Stand, now: time_machine.Traveller
    ) -> None:
        session = started(stand)
        work_off_queue()
        FakeProviderObject.objects.filter(kind="payment").update(state="cancelled")
        stop_and_settle(now, stand, session)
        assert outcome(session).holds == [("expired", 0)]
        now.shift(timedelta(minutes=1))
        catch_up()
        found = outcome(session)
        assert (found.legs, found.charged, found.posted) == (CAPTURED.legs, CAPTURED.charged, CAPTURED.posted)
        assert list(Payment.objects.order_by("attempt").values_list("status", flat=True)) == ["cancelled", "succeeded"]

    def test_an_outage_delays_the_capture_and_takes_once(self, stand: Stand, now: time_machine.Traveller) -> None:
        session = started(stand)
        work_off_queue()
        bank.set_outage(True)
        stop_and_settle(now, stand, session)
        assert outcome(session).holds == [("active", 0)]
        bank.set_outage(False)
        now.shift(timedelta(minutes=2))
        catch_up()
        assert outcome(session) == CAPTURED

    def test_the_wallet_pays_first_and_a_hold_nobody_needs_is_let_go(self, now: time_machine.Traveller) -> None:
        from tests.billing.factories import fill_wallet

        stand = preauth_stand("visa", wallet_use="draw_first")
        fill_wallet(stand.contract.driver, "10")
        session = started(stand)
        work_off_queue()
        stop_and_settle(now, stand, session)
        found = outcome(session)
        assert found.holds == [("released", 0)]
        assert found.legs == [("wallet_cash", Decimal("6.20"), "paid")]

    def test_a_captured_hold_is_refunded_like_any_payment(self, stand: Stand, now: time_machine.Traveller) -> None:
        session = started(stand)
        work_off_queue()
        stop_and_settle(now, stand, session)
        refund_session(
            session_id=session.pk,
            amount=Decimal("1.20"),
            actor_id=StaffFactory().pk,
            reason="too slow",
            idempotency_key="refund",
        )
        work_off_queue()
        assert outcome(session).holds == CAPTURED.holds
        assert FakeProviderObject.objects.get(kind="payment").data["refunded"] == "1.20"


class TestLimit:
    def test_a_session_is_warned_and_then_stopped_inside_its_hold(self, stand: Stand) -> None:
        session = started(stand)
        work_off_queue()
        # 19.99, then 24.04: with the next minute at 11 kW (0.09) still below 24.50, then not.
        warned = stand.meter(session.pk, 240, "42000")
        assert (warned.warn, warned.stop) == (True, False)
        assert not stand.meter(session.pk, 300, "51000").stop
        stopped = stand.meter(session.pk, 306, "51400")
        assert (stopped.stop, stopped.reason) == (True, "limit_reached")


class TestAmount:
    def test_the_nearest_policy_counts(self, now: time_machine.Traveller) -> None:
        stand = preauth_stand("visa", hold_policy={"AC": "30"})
        HoldPolicy.objects.create(amount=90)
        HoldPolicy.objects.create(location=stand.connector.charge_point.location, amount=40)
        HoldPolicy.objects.create(location=stand.connector.charge_point.location, channel="rfid", amount=45)
        HoldPolicy.objects.create(location=stand.connector.charge_point.location, power_class="DC", amount=60)
        HoldPolicy.objects.create(location=stand.connector.charge_point.location, amount=1, currency="CHF")
        started(stand)
        assert Hold.objects.get().amount == 45

    def test_a_card_that_went_meanwhile_holds_nothing(self, stand: Stand) -> None:
        save_card(stand.contract.driver, "mastercard")
        started(stand)
        assert Hold.objects.get().method.last4 == "4242"
