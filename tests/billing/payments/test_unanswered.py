"""No answer, a late answer, a strange answer: nobody is charged twice and nothing is forgotten."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.conf import settings
from django.db import IntegrityError
from djmoney.money import Money

from accounts.models import Driver
from billing.models import FakeProviderObject, Payment, PaymentMethod
from billing.providers.base import PaymentRequest, PaymentState
from billing.providers.fake import bank
from billing.providers.registry import get_provider
from billing.selectors.payments import collection_of
from billing.services.payment_sweep import reread_payment, sweep_payments
from billing.services.payments import PaymentIncomplete, claim_leg, collect_leg, record_payment_result
from common import clock
from tests.billing.payments.world import NOON, last_payment, owe, paid_postings, save_card, standing

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = Decimal(0)
OWED = Decimal("6.20")
MINUTE = timedelta(minutes=1)


@time_machine.travel(NOON, tick=False)
def test_an_answer_lost_after_the_charge_is_found_by_the_sweep(ada: Driver) -> None:
    save_card(ada, "answer_lost")
    leg = owe(ada)

    collect_leg(leg_id=leg.pk)

    now = standing(leg)
    assert (now.leg, now.payments) == ("attempting", [("unanswered", "", "")])
    assert (now.charged, now.posted) == (OWED, NOTHING)
    assert collect_leg(leg_id=leg.pk, is_early=True) is None
    assert sweep_payments(NOON + timedelta(seconds=59)) == 0

    assert sweep_payments(NOON + MINUTE) == 1

    now = standing(leg)
    assert (now.leg, now.session, now.payments) == ("paid", "paid", [("succeeded", "", "")])
    assert (now.charged, now.posted, now.owed) == (OWED, OWED, NOTHING)
    assert FakeProviderObject.objects.filter(kind="payment").count() == 1
    assert sweep_payments(NOON + timedelta(days=1)) == 0


def test_a_payment_that_lost_its_card_stops_no_other(ada: Driver) -> None:
    save_card(ada)
    broken, good = owe(ada), owe(ada)
    lost, claim = claim_leg(leg_id=broken.pk), claim_leg(leg_id=good.pk)
    assert lost is not None
    assert claim is not None
    Payment.objects.filter(pk=lost.pk).update(method=None)

    with pytest.raises(PaymentIncomplete):
        reread_payment(payment_id=lost.pk)
    assert sweep_payments(claim.created_at + MINUTE) == 2

    assert standing(broken).payments == [("created", "", "")]
    assert (standing(good).payments, standing(good).charged) == ([("succeeded", "", "")], OWED)


def test_a_payment_the_database_refuses_stops_no_other(ada: Driver) -> None:
    save_card(ada, "answer_lost")
    broken, good = owe(ada), owe(ada)
    collect_leg(leg_id=broken.pk)
    unanswered = last_payment(broken)
    taken = FakeProviderObject.objects.get(kind="payment", idempotency_key=unanswered.idempotency_key)
    Payment.objects.create(
        idempotency_key="test:impostor",
        driver=ada,
        purpose="top_up",
        provider=unanswered.provider,
        provider_reference=taken.reference,
        amount=OWED,
        currency="EUR",
        status="failed",
        finished_at=clock.now(),
    )
    claim = claim_leg(leg_id=good.pk)
    assert claim is not None

    with pytest.raises(IntegrityError):
        reread_payment(payment_id=unanswered.pk)
    sweep_payments(claim.created_at + MINUTE)
    sweep_payments(claim.created_at + 3 * MINUTE)

    assert standing(broken).payments == [("unanswered", "", "")]
    assert standing(good).payments == [("succeeded", "", "")]


def test_during_an_outage_everything_waits_and_then_goes_on(ada: Driver) -> None:
    with time_machine.travel(NOON, tick=False) as clockwork:
        save_card(ada)
        leg = owe(ada)
        bank.set_outage(True)
        collect_leg(leg_id=leg.pk)
        for minutes in (1, 2, 4, 8):
            clockwork.move_to(NOON + minutes * MINUTE)
            assert sweep_payments(clock.now()) == 1
            assert sweep_payments(clock.now()) == 0
        now = standing(leg)
        assert (now.leg, now.payments) == ("attempting", [("unanswered", "", "")])
        assert now.charged == NOTHING
        bank.set_outage(False)
        clockwork.move_to(NOON + 16 * MINUTE)

        sweep_payments(clock.now())

    now = standing(leg)
    assert (now.leg, now.payments) == ("paid", [("succeeded", "", "")])
    assert (now.charged, now.posted) == (OWED, OWED)


def test_a_claim_whose_worker_died_is_sent_under_the_same_key(ada: Driver) -> None:
    save_card(ada)
    leg = owe(ada)
    claim = claim_leg(leg_id=leg.pk)
    assert claim is not None
    assert standing(leg).payments == [("created", "", "")]

    sweep_payments(claim.created_at + MINUTE)

    assert standing(leg).payments == [("succeeded", "", "")]
    assert FakeProviderObject.objects.get(kind="payment").idempotency_key == claim.idempotency_key


@pytest.mark.parametrize(
    ("is_success", "leg_state", "charged", "payment"),
    [
        (True, "paid", OWED, ("succeeded", "", "")),
        (False, "retrying", NOTHING, ("failed", "soft", "generic_decline")),
    ],
)
def test_an_outcome_that_comes_later(
    ada: Driver, is_success: bool, leg_state: str, charged: Decimal, payment: tuple[str, str, str]
) -> None:
    save_card(ada, "answered_later")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    assert (standing(leg).leg, standing(leg).payments) == ("attempting", [("unanswered", "", "")])
    open_payment = last_payment(leg)
    reread_payment(payment_id=open_payment.pk)
    assert standing(leg).leg == "attempting"

    bank.finish_pending(payment_reference=open_payment.provider_reference, is_success=is_success)
    reread_payment(payment_id=open_payment.pk)

    now = standing(leg)
    assert (now.leg, now.payments, now.charged, now.posted) == (leg_state, [payment], charged, charged)


def test_the_bank_answers_by_itself_in_the_end(ada: Driver) -> None:
    save_card(ada, "answered_later")
    leg = owe(ada)
    with time_machine.travel(NOON, tick=False):
        collect_leg(leg_id=leg.pk)
    with time_machine.travel(NOON + MINUTE, tick=False):
        sweep_payments(clock.now())

    assert standing(leg).payments == [("succeeded", "", "")]


def test_an_answer_about_other_money_is_parked(ada: Driver) -> None:
    method = save_card(ada)
    leg = owe(ada)
    claim = claim_leg(leg_id=leg.pk)
    assert claim is not None
    answer = get_provider().charge(
        PaymentRequest(
            idempotency_key=claim.idempotency_key,
            customer=method.provider_customer,
            method=method.provider_reference,
            amount=Money("62.00", "EUR"),
            description="",
            return_url="",
        )
    )

    record_payment_result(payment_id=claim.pk, result=answer)

    now = standing(leg)
    assert (now.leg, now.posted) == ("attempting", NOTHING)
    assert now.payments == [("created", "provider", "answer_about_other_money")]
    assert last_payment(leg).reread_at is None
    assert collection_of(leg.pk).reason == "We are checking with the payment provider what became of this payment."
    assert sweep_payments(clock.now() + timedelta(days=1)) == 0
    assert collect_leg(leg_id=leg.pk, is_early=True) is None


def test_a_key_used_before_with_other_terms_is_parked(ada: Driver) -> None:
    method = save_card(ada)
    leg = owe(ada)
    session = leg.cdr.charging_session
    get_provider().charge(
        PaymentRequest(
            idempotency_key=f"session:{session.public_id}:leg:1:attempt:1",
            customer=method.provider_customer,
            method=method.provider_reference,
            amount=Money("1.00", "EUR"),
            description="",
            return_url=settings.SITE_URL,
        )
    )

    collect_leg(leg_id=leg.pk)

    assert standing(leg).payments == [("created", "provider", "provider_idempotency_mismatch")]
    assert standing(leg).leg == "attempting"
    assert paid_postings() == 0


def test_answers_out_of_order_change_nothing(ada: Driver) -> None:
    save_card(ada, "confirm_each")
    leg = owe(ada)
    provider = get_provider()
    payment = collect_leg(leg_id=leg.pk)
    assert payment is not None
    before = provider.fetch(idempotency_key=payment.idempotency_key)
    assert before is not None
    bank.answer_bank(payment_reference=before.reference, is_confirmed=True)
    after = provider.fetch(idempotency_key=payment.idempotency_key)
    assert after is not None

    for answer in (after, before, after, replace(before, state=PaymentState.PENDING), before):
        record_payment_result(payment_id=payment.pk, result=answer)
        assert standing(leg).leg == "paid"

    assert standing(leg).payments == [("succeeded", "", "")]
    assert paid_postings() == 1


def test_a_success_announced_after_a_failure_is_believed(ada: Driver) -> None:
    save_card(ada, "insufficient_funds")
    leg = owe(ada)
    payment = collect_leg(leg_id=leg.pk)
    assert payment is not None
    declined = get_provider().fetch(idempotency_key=payment.idempotency_key)
    assert declined is not None

    record_payment_result(
        payment_id=payment.pk,
        result=replace(declined, state=PaymentState.SUCCEEDED, decline_class=None, decline_code=""),
    )

    now = standing(leg)
    assert (now.leg, now.payments, now.posted) == ("paid", [("succeeded", "", "")], OWED)
    assert last_payment(leg).next_attempt_at is None


def test_what_the_provider_refuses_to_do_is_parked(ada: Driver) -> None:
    method = save_card(ada)
    PaymentMethod.objects.filter(pk=method.pk).update(provider_reference="fake_card_unknown_there")
    leg = owe(ada)

    collect_leg(leg_id=leg.pk)

    assert standing(leg).payments == [("created", "provider", "provider_request_refused")]
    assert sweep_payments(clock.now() + timedelta(days=1)) == 0
