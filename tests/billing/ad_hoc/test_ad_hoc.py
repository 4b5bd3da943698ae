"""Charging without an account, from the price to the released rest; time moves, the bank is the fake one."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from billing.admission_errors import ChargePointOffline, ConnectorBusy, ConnectorNotReady
from billing.models import AdHocSession, ChargingSession, FakeProviderObject, Hold, HoldPolicy, PaymentMethod
from billing.providers.fake import bank
from billing.services.ad_hoc import PriceChanged, TooManyPayers
from billing.services.books import assert_books
from billing.services.payment_sweep import sweep_payments
from billing.services.refunds import refund_session
from billing.services.review import release_from_review
from billing.services.sessions import authorize, cancel_request, request_stop
from billing.tasks import sweep
from common import clock
from common.errors import Refused
from locations.models import ChargePoint, Connector
from tariffs.errors import NoTariff
from tariffs.models import TariffAssignment
from tests.billing.ad_hoc.world import (
    Outcome,
    agreed,
    card_left,
    catch_up,
    charging,
    come_back,
    outcome,
    paid,
    session_of,
)
from tests.billing.payments.held import look
from tests.billing.payments.world import queued, work_off_queue
from tests.billing.sessions.conftest import NOON, Stand, stand_with
from tests.factories import StaffFactory, TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db

NOTHING_TAKEN = Outcome("cancelled", [("released", Decimal(0))], [], Decimal(0), Decimal(0), "removed")


@pytest.fixture
def stand(db: None) -> Stand:
    return stand_with()


@pytest.fixture
def now():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def test_what_is_used_is_captured_the_rest_released_and_the_card_forgotten(stand: Stand, now) -> None:
    order = charging(stand, email="someone@example.org")
    session = session_of(order)
    assert (session.status, session.driver, session.contract, session.token) == ("active", None, None, None)
    assert (session.channel, session.spend_limit) == ("ad_hoc", Decimal("24.50"))
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session.pk, 90, "13025")
    catch_up()
    assert outcome(order) == Outcome(
        "ended",
        [("captured", Decimal("6.20"))],
        [("card", Decimal("6.20"), "paid")],
        charged=Decimal("6.20"),
        owed=Decimal(0),
        card="removed",
    )
    assert FakeProviderObject.objects.get(kind="card").state == "deleted"


def test_a_refund_goes_back_to_the_card_that_is_forgotten(stand: Stand, now) -> None:
    order = charging(stand)
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session_of(order).pk, 90, "13025")
    catch_up()
    refund_session(
        session_id=session_of(order).pk,
        amount=Decimal("2.00"),
        reason="cable too short",
        idempotency_key="again",
        actor_id=StaffFactory().pk,
    )
    catch_up()
    assert outcome(order).owed == 0
    assert Decimal(FakeProviderObject.objects.get(kind="payment").data["refunded"]) == Decimal("2.00")


def test_the_charge_point_may_ask_back_about_the_id_tag(stand: Stand, now) -> None:
    order = paid(stand.connector)
    id_tag, here = session_of(order).id_tag, stand.connector.charge_point_id
    assert authorize(charge_point_id=here, id_tag=id_tag.lower(), at=NOON).accepted
    assert not authorize(charge_point_id=here, id_tag=id_tag[:-1], at=NOON).accepted
    cancel_request(session_id=session_of(order).pk, reason="test")
    assert not authorize(charge_point_id=here, id_tag=id_tag, at=NOON).accepted


def test_nothing_starts_within_two_minutes(stand: Stand, now) -> None:
    order = paid(stand.connector)
    work_off_queue()
    assert Hold.objects.get().status == "active"
    now.move_to(NOON + timedelta(seconds=121))
    catch_up()
    assert outcome(order) == NOTHING_TAKEN


def test_the_charge_point_refuses(stand: Stand, now) -> None:
    order = paid(stand.connector)
    work_off_queue()
    cancel_request(session_id=session_of(order).pk, reason="remote_start_rejected")
    assert "release_card_hold" in queued()
    catch_up()
    assert outcome(order) == NOTHING_TAKEN


def test_nothing_is_delivered_so_the_hold_is_released_by_the_task_that_settles(stand: Stand, now) -> None:
    order = charging(stand)
    now.move_to(NOON + timedelta(minutes=5))
    stand.stop(session_of(order).pk, 5, "0")
    work_off_queue()
    assert Hold.objects.get().status == "released"
    assert session_of(order).outcome == "free"
    catch_up()
    assert outcome(order).card == "removed"


@pytest.mark.parametrize("card", ["insufficient_funds", "lost_card"])
def test_the_bank_declines(stand: Stand, now, card: str) -> None:
    order = paid(stand.connector, card)
    catch_up()
    session = session_of(order)
    assert (session.status, session.stop_reason) == ("cancelled", "hold_refused")
    assert outcome(order).holds == [("refused", Decimal(0))]
    assert not session.commands.exists()


def test_the_bank_wants_a_word_with_the_payer(stand: Stand, now) -> None:
    order = paid(stand.connector, "confirm_each")
    work_off_queue()
    hold = Hold.objects.get()
    assert (hold.status, session_of(order).commands.count()) == ("requires_action", 0)
    bank.answer_bank(payment_reference=hold.provider_reference, is_confirmed=True)
    work_off_queue()
    assert Hold.objects.get().status == "active"
    look()
    assert session_of(order).commands.count() == 1


def test_the_provider_answers_too_late_and_holds_once(stand: Stand, now) -> None:
    order = paid(stand.connector, "answer_lost")
    work_off_queue()
    now.shift(timedelta(minutes=1))
    sweep_payments(clock.now())
    work_off_queue()
    assert outcome(order).holds == [("active", Decimal(0))]
    assert FakeProviderObject.objects.filter(kind="payment").count() == 1


def test_the_webhook_comes_instead_of_the_payer(stand: Stand, now) -> None:
    """And once more, and with the payer: one session, one hold."""
    order = agreed(stand.connector)
    reference = card_left(order)
    work_off_queue()
    assert session_of(order).status == "requested"
    come_back(reference)
    come_back(reference)
    work_off_queue()
    assert ChargingSession.objects.count() == 1
    assert outcome(order).holds == [("active", Decimal(0))]


def test_a_second_card_for_the_same_agreement_is_not_used(stand: Stand, now) -> None:
    order = agreed(stand.connector)
    first, second = card_left(order), card_left(order, "mastercard")
    come_back(first)
    come_back(second)
    assert (ChargingSession.objects.count(), PaymentMethod.objects.get().last4) == (1, "4242")


def test_of_two_payers_the_first_whose_card_is_there_gets_the_connector(stand: Stand, now) -> None:
    ada, bob = agreed(stand.connector), agreed(stand.connector)
    cards = card_left(ada), card_left(bob, "mastercard")
    come_back(cards[1])
    come_back(cards[0])
    work_off_queue()
    ada.refresh_from_db()
    assert (ada.charging_session, ada.refusal_code, ada.method.status) == (None, "connector_busy", "removed")
    assert "choose another one" in ada.refusal_words
    assert session_of(bob).status == "requested"
    assert FakeProviderObject.objects.filter(kind="payment").count() == 1
    assert_books()


@pytest.mark.parametrize(
    ("status", "connected", "refusal"),
    [
        (Connector.Status.RESERVED, True, ConnectorNotReady),
        (Connector.Status.FAULTED, True, ConnectorNotReady),
        (Connector.Status.UNAVAILABLE, True, ConnectorNotReady),
        (Connector.Status.CHARGING, True, ConnectorNotReady),
        (Connector.Status.AVAILABLE, False, ChargePointOffline),
    ],
)
def test_no_payment_where_nothing_can_start(
    stand: Stand, now, status: str, connected: bool, refusal: type[Refused]
) -> None:
    Connector.objects.update(status=status)
    ChargePoint.objects.update(is_connected=connected)
    with pytest.raises(refusal):
        agreed(stand.connector)
    assert not AdHocSession.objects.exists()


def test_a_running_session_keeps_others_from_paying(stand: Stand, now) -> None:
    charging(stand)
    with pytest.raises(ConnectorBusy):
        agreed(stand.connector)


def test_no_tariff_is_no_offer(stand: Stand, now) -> None:
    TariffAssignment.objects.update(channel=TariffAssignment.Channel.APP)
    with pytest.raises(NoTariff):
        agreed(stand.connector)


def test_the_price_that_was_agreed_to_is_the_price_that_is_paid(stand: Stand, now) -> None:
    """A dearer version comes into force between the page and the card."""
    order = agreed(stand.connector)
    dear = TariffVersionFactory(
        tariff=order.tariff_version.tariff,
        number=2,
        valid_from=NOON,
        document=tariff_document(element(component("ENERGY", "4.00"))),
    )
    with pytest.raises(PriceChanged):
        agreed(stand.connector, digest=order.price_digest)
    come_back(card_left(order))
    work_off_queue()
    session = session_of(order)
    assert session.tariff_version_id == order.tariff_version_id != dear.pk
    stand.start(id_tag=session.id_tag)
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session.pk, 90, "13025")
    catch_up()
    assert outcome(order).charged == Decimal("6.20")


def test_the_amount_that_was_agreed_to_is_the_amount_that_is_held(stand: Stand, now) -> None:
    HoldPolicy.objects.create(channel="ad_hoc", amount=Decimal(30), currency="EUR")
    order = agreed(stand.connector)
    HoldPolicy.objects.update(amount=Decimal(40))
    with pytest.raises(PriceChanged):
        agreed(stand.connector, digest=order.price_digest)
    come_back(card_left(order))
    assert Hold.objects.get().amount == Decimal(30)


def test_a_card_that_comes_too_late_reserves_nothing(stand: Stand, now) -> None:
    order = agreed(stand.connector, language="de")
    reference = card_left(order)
    now.shift(timedelta(minutes=16))
    come_back(reference)
    order.refresh_from_db()
    assert order.refusal_code == "paid_too_late"
    assert not Hold.objects.exists()
    work_off_queue()
    assert FakeProviderObject.objects.get(kind="card").state == "deleted"


def test_only_so_many_may_be_about_to_pay_at_one_connector(stand: Stand, now, monkeypatch) -> None:
    monkeypatch.setattr("billing.services.ad_hoc.MOST_AT_A_CONNECTOR", 2)
    for _number in range(2):
        agreed(stand.connector)
    with pytest.raises(TooManyPayers):
        agreed(stand.connector)
    now.shift(timedelta(minutes=16))
    agreed(stand.connector)


def test_data_above_the_hold_comes_late_and_the_remainder_is_given_up(stand: Stand, now) -> None:
    order = charging(stand)
    session = session_of(order)
    now.move_to(NOON + timedelta(hours=6))
    stand.stop(session.pk, 360, "60000")
    catch_up()
    assert outcome(order) == Outcome(
        "ended",
        [("captured", Decimal("25.00"))],
        [("card", Decimal("25.00"), "paid"), ("debt", Decimal("3.56"), "written_off")],
        charged=Decimal("25.00"),
        owed=Decimal(0),
        card="removed",
    )


def test_the_session_is_stopped_before_the_hold_is_used_up(stand: Stand, now) -> None:
    order = charging(stand)
    directive = stand.meter(session_of(order).pk, 300, "52000")
    assert (directive.stop, directive.reason) == (True, "limit_reached")


def test_the_payer_stops(stand: Stand, now) -> None:
    order = charging(stand)
    request_stop(session_id=session_of(order).pk, actor_id=None, reason="driver")
    assert session_of(order).stop_request_reason == "driver"


def test_a_capture_that_fails_is_charged_to_the_card_and_the_card_stays_until_then(stand: Stand, now) -> None:
    order = charging(stand)
    hold = Hold.objects.get()
    bank.release(key="by the bank", reference=hold.provider_reference)
    work_off_queue()
    assert session_of(order).stop_request_reason == "hold_expired"
    card = PaymentMethod.objects.get()
    bank.change_card(card_reference=card.provider_reference, test_card="insufficient_funds")
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session_of(order).pk, 90, "13025")
    catch_up()
    assert (outcome(order).legs, outcome(order).card) == ([("card", Decimal("6.20"), "retrying")], "active")
    bank.change_card(card_reference=card.provider_reference, test_card="visa")
    now.shift(timedelta(days=2))
    catch_up()
    sweep()
    assert (outcome(order).charged, outcome(order).owed, outcome(order).card) == (Decimal("6.20"), 0, "removed")


def test_what_is_too_small_to_charge_and_no_longer_held_is_given_up(stand: Stand, now, settings) -> None:
    settings.PAYMENT_MINIMUMS = {"EUR": "10"}
    order = charging(stand)
    bank.release(key="by the bank", reference=Hold.objects.get().provider_reference)
    work_off_queue()
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session_of(order).pk, 90, "13025")
    catch_up()
    assert outcome(order).legs == [("card", Decimal("6.20"), "due")]
    now.shift(timedelta(minutes=20))
    catch_up()
    assert outcome(order).legs == [("card", Decimal("6.20"), "written_off")]
    assert (outcome(order).owed, outcome(order).card) == (0, "removed")


def test_a_session_in_review_keeps_its_hold_until_somebody_decides(stand: Stand, now) -> None:
    order = charging(stand)
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session_of(order).pk, 90, "13025", doubt="meter_jump")
    catch_up()
    assert (session_of(order).outcome, outcome(order).holds) == ("in_review", [("active", Decimal(0))])
    release_from_review(session_id=session_of(order).pk, actor_id=StaffFactory().pk, reason="the meter was right")
    catch_up()
    assert (outcome(order).charged, outcome(order).card) == (Decimal("6.20"), "removed")


def test_every_webhook_again_in_the_other_order_changes_nothing(stand: Stand, now) -> None:
    """Of the whole life: card left, amount held, captured; once in the middle of it and twice after its end."""
    order = charging(stand)
    _bring_all_again()
    assert outcome(order).holds == [("active", Decimal(0))]
    now.move_to(NOON + timedelta(minutes=90))
    stand.stop(session_of(order).pk, 90, "13025")
    catch_up()
    before = outcome(order)
    _bring_all_again()
    _bring_all_again()
    catch_up()
    assert outcome(order) == before
    assert (ChargingSession.objects.count(), FakeProviderObject.objects.filter(kind="payment").count()) == (1, 1)


def _bring_all_again() -> None:
    """As other events about the same things, the newest first."""
    events = FakeProviderObject.objects.filter(kind="event").order_by("-pk")
    for event in list(events):
        bank.post.announce(event.data["kind"], subject=event.data["subject"], reference=event.data["reference"])
    work_off_queue()
