"""A payment in doubt is decided by a person, and never without asking the provider."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from accounts.models import AuditEvent, Driver, User
from billing.errors import ReasonMissing, TopUpUnderWay
from billing.models import FakeProviderObject, Payment
from billing.providers.errors import ProviderUnavailable
from billing.providers.fake import bank
from billing.selectors.payments import doubtful_payments
from billing.services.books import assert_books
from billing.services.doubtful_payments import (
    MoneyWasTaken,
    NothingWasTaken,
    NotInDoubt,
    RightAmountTaken,
    StillInDoubt,
    ask_again,
    close_unpaid,
    give_back,
)
from billing.services.payment_sweep import reread_payment
from billing.services.payments import collect_leg
from common import clock
from tests.billing.payments.world import NOON, last_payment, owe, save_card, standing, work_off_queue
from tests.billing.wallets.world import balance, top_up_of, wallet_driver
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fina(transactional_db: None) -> User:
    return StaffFactory()


def parked_top_up(*, took: str = "60.00", state: str = "succeeded") -> tuple[Driver, Payment]:
    """Ada asked for 25.00 and the provider says it took something else."""
    ada = wallet_driver()
    save_card(ada, "answer_lost")
    payment = top_up_of(ada)
    assert payment.status == "unanswered"
    thing = FakeProviderObject.objects.get(kind="payment")
    thing.state, thing.data = state, {**thing.data, "captured": took, "amount": took if Decimal(took) else "25.00"}
    if state == "declined":
        thing.data |= {"decline_class": "soft", "decline_code": "generic_decline"}
    thing.save()
    bank.change_card(card_reference=payment.method.provider_reference, test_card="visa")
    return ada, payment


def test_other_money_is_given_back_and_the_driver_can_top_up_again(fina: User) -> None:
    ada, payment = parked_top_up()
    payment = reread_payment(payment_id=payment.pk)
    assert (payment.decline_code, payment.reread_at) == ("answer_about_other_money", None)
    assert list(doubtful_payments(clock.now())) == [payment]
    with pytest.raises(TopUpUnderWay):
        top_up_of(ada)
    with pytest.raises(StillInDoubt):
        ask_again(payment_id=payment.pk, actor_id=fina.pk, reason="why")
    with pytest.raises(MoneyWasTaken):
        close_unpaid(payment_id=payment.pk, actor_id=fina.pk, reason="why")
    with pytest.raises(ReasonMissing):
        give_back(payment_id=payment.pk, actor_id=fina.pk, reason=" ")

    # The answer to the first try gets lost; the second is told the same and gives back nothing more.
    bank.change_card(card_reference=payment.method.provider_reference, test_card="answer_lost")
    with pytest.raises(ProviderUnavailable):
        give_back(payment_id=payment.pk, actor_id=fina.pk, reason="The provider took too much.")

    payment = give_back(payment_id=payment.pk, actor_id=fina.pk, reason="The provider took too much.")

    assert (payment.status, balance(ada)) == ("cancelled", 0)
    thing = FakeProviderObject.objects.get(kind="payment")
    assert (thing.data["captured"], thing.data["refunded"]) == ("60.00", "60.00")
    event = AuditEvent.objects.get(action="payment_given_back")
    assert (event.actor, event.reason, event.data["given_back"]) == (fina, "The provider took too much.", "60.00")
    with pytest.raises(NotInDoubt):
        give_back(payment_id=payment.pk, actor_id=fina.pk, reason="again")
    # What the provider still says of it changes nothing.
    work_off_queue()
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    bank.change_card(card_reference=payment.method.provider_reference, test_card="visa")
    assert top_up_of(ada).status == "succeeded"
    assert_books()


def test_an_answer_that_came_late_is_booked(fina: User) -> None:
    ada, payment = parked_top_up(took="25.00")
    Payment.objects.filter(pk=payment.pk).update(reread_at=None, decline_class="provider", decline_code="parked")
    with pytest.raises(RightAmountTaken):
        give_back(payment_id=payment.pk, actor_id=fina.pk, reason="why")

    assert ask_again(payment_id=payment.pk, actor_id=fina.pk, reason="Late.").status == "succeeded"

    assert balance(ada) == 25
    assert AuditEvent.objects.get(action="payment_asked_again").actor == fina
    assert_books()


@pytest.mark.parametrize("state", ["declined", "cancelled", "requires_action", "held", "gone"])
def test_what_took_nothing_is_closed_and_called_off(fina: User, state: str) -> None:
    ada, payment = parked_top_up(took="0", state=state if state != "gone" else "declined")
    if state == "held":
        thing = FakeProviderObject.objects.get(kind="payment")
        thing.data["expires_at"] = (clock.now() + timedelta(days=1)).isoformat()
        thing.save()
    if state == "gone":
        FakeProviderObject.objects.filter(kind="payment").delete()
    Payment.objects.filter(pk=payment.pk).update(reread_at=None, decline_class="provider", decline_code="parked")
    with pytest.raises(NothingWasTaken):
        give_back(payment_id=payment.pk, actor_id=fina.pk, reason="why")

    assert close_unpaid(payment_id=payment.pk, actor_id=fina.pk, reason="Nothing came.").status == "cancelled"

    assert balance(ada) == 0
    assert not FakeProviderObject.objects.filter(kind="payment", state__in=["requires_action", "held"]).exists()
    assert AuditEvent.objects.get(action="payment_closed_unpaid").reason == "Nothing came."


def test_an_hour_without_an_answer_is_doubt_and_a_session_is_charged_again(ada: Driver, fina: User) -> None:
    with time_machine.travel(NOON, tick=False) as now:
        save_card(ada)
        leg = owe(ada)
        bank.set_outage(True)
        collect_leg(leg_id=leg.pk)
        payment = last_payment(leg)
        now.shift(timedelta(minutes=59))
        assert not doubtful_payments(clock.now()).exists()
        with pytest.raises(NotInDoubt):
            close_unpaid(payment_id=payment.pk, actor_id=fina.pk, reason="why")
        now.shift(timedelta(minutes=1))
        assert doubtful_payments(clock.now()).get() == payment
        bank.set_outage(False)

        close_unpaid(payment_id=payment.pk, actor_id=fina.pk, reason="It never arrived.")

        assert standing(leg).leg == "retrying"
        collect_leg(leg_id=leg.pk)
        assert (standing(leg).leg, standing(leg).charged) == ("paid", leg.amount)


def test_a_decided_payment_is_not_in_doubt(ada: Driver, fina: User) -> None:
    save_card(ada)
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    for decide in (ask_again, close_unpaid, give_back):
        with pytest.raises(NotInDoubt):
            decide(payment_id=last_payment(leg).pk, actor_id=fina.pk, reason="why")
    assert standing(leg).leg == "paid"
