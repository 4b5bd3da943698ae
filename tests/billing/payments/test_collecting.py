"""A card leg is charged, declined, confirmed: what each answer of the bank does to leg, card, payment and books."""

from decimal import Decimal

import pytest
import time_machine
from django.db import transaction

from accounts.models import Driver
from billing.models import FakeProviderObject, FundingLeg, Payment, PaymentMethod
from billing.providers.fake import bank
from billing.selectors.payments import collection_of, open_debt
from billing.services.payment_sweep import reread_payment
from billing.services.payments import collect_leg
from tests.billing.payments.world import NOON, last_payment, owe, paid_postings, save_card, standing

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = Decimal(0)
OWED = Decimal("6.20")


def test_a_good_card_pays_the_leg(ada: Driver) -> None:
    save_card(ada)
    leg = owe(ada, "6.20")

    payment = collect_leg(leg_id=leg.pk)

    assert payment is not None
    now = standing(leg)
    assert (now.leg, now.session) == ("paid", "paid")
    assert now.payments == [("succeeded", "", "")]
    assert (now.charged, now.posted, now.owed) == (OWED, OWED, NOTHING)
    assert payment.idempotency_key == f"session:{leg.cdr.charging_session.public_id}:leg:1:attempt:1"
    assert payment.ledger_transaction is not None
    entries = payment.ledger_transaction.entries.order_by("side").values_list("account__key", "side", "amount")
    assert list(entries) == [(f"receivable:EUR:driver-{ada.pk}", "credit", OWED), ("psp_clearing:EUR", "debit", OWED)]
    assert open_debt(ada.pk) == []


def test_asking_again_charges_nothing(ada: Driver) -> None:
    save_card(ada)
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)

    assert collect_leg(leg_id=leg.pk) is None
    assert collect_leg(leg_id=leg.pk, is_early=True) is None

    assert standing(leg).charged == OWED
    assert paid_postings() == 1


def test_without_a_card_the_leg_stays_due_and_says_why(ada: Driver) -> None:
    leg = owe(ada)

    assert collect_leg(leg_id=leg.pk) is None

    assert standing(leg).leg == "due"
    assert standing(leg).payments == []
    assert collection_of(leg.pk).reason == "There is no usable card. Add one and this is paid at once."


@time_machine.travel(NOON, tick=False)
@pytest.mark.parametrize(
    ("card", "decline_class", "words"),
    [
        ("insufficient_funds", "soft", "There was not enough money on the card."),
        ("generic_decline", "soft", "The bank declined the payment without giving a reason."),
        ("processing_error", "provider", "The bank had a technical problem."),
    ],
)
def test_a_temporary_decline_is_tried_again_in_an_hour(ada: Driver, card: str, decline_class: str, words: str) -> None:
    method = save_card(ada, card)
    leg = owe(ada)

    collect_leg(leg_id=leg.pk)

    now = standing(leg)
    assert (now.leg, now.session) == ("retrying", "due")
    assert now.payments == [("failed", decline_class, card)]
    assert (now.charged, now.posted, now.owed) == (NOTHING, NOTHING, OWED)
    assert last_payment(leg).next_attempt_at == NOON.replace(hour=13)
    method.refresh_from_db()
    assert (method.status, method.is_default) == ("active", True)
    told = collection_of(leg.pk)
    assert (told.reason, told.attempts, told.next_attempt_at) == (words, 1, NOON.replace(hour=13))


@time_machine.travel(NOON, tick=False)
def test_a_leg_that_waits_for_its_date_is_left_alone_unless_somebody_wants_it_now(ada: Driver) -> None:
    save_card(ada, "insufficient_funds")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)

    assert collect_leg(leg_id=leg.pk) is None
    assert len(standing(leg).payments) == 1

    assert collect_leg(leg_id=leg.pk, is_early=True) is not None
    assert len(standing(leg).payments) == 2


@pytest.mark.parametrize("card", ["lost_card", "stolen_card", "expired_card"])
def test_a_final_decline_without_another_card_cannot_be_collected(ada: Driver, card: str) -> None:
    method = save_card(ada, card)
    leg = owe(ada)

    collect_leg(leg_id=leg.pk)

    now = standing(leg)
    assert (now.leg, now.session, now.owed) == ("uncollectible", "due", OWED)
    assert now.payments == [("failed", "hard", card)]
    assert last_payment(leg).next_attempt_at is None
    method.refresh_from_db()
    assert (method.status, method.is_default) == ("refused", False)
    assert collection_of(leg.pk).reason.endswith("There is no usable card. Add one and this is paid at once.")


def test_a_final_decline_takes_the_next_card_at_once(ada: Driver) -> None:
    stolen = save_card(ada, "stolen_card")
    good = save_card(ada, "mastercard")
    leg = owe(ada)

    collect_leg(leg_id=leg.pk)

    now = standing(leg)
    assert now.leg == "paid"
    assert now.payments == [("failed", "hard", "stolen_card"), ("succeeded", "", "")]
    assert (now.charged, now.posted, now.owed) == (OWED, OWED, NOTHING)
    stolen.refresh_from_db()
    good.refresh_from_db()
    assert (stolen.status, stolen.is_default) == ("refused", False)
    assert (good.status, good.is_default) == ("active", True)


def test_a_refused_card_is_never_tried_again(ada: Driver) -> None:
    method = save_card(ada, "stolen_card")
    collect_leg(leg_id=owe(ada).pk)
    bank.change_card(card_reference=method.provider_reference, test_card="visa")
    leg = owe(ada)

    assert collect_leg(leg_id=leg.pk, is_early=True) is None
    assert standing(leg).charged == NOTHING


def test_a_card_past_its_date_is_declined_for_good(ada: Driver) -> None:
    with time_machine.travel(NOON, tick=False):
        method = save_card(ada, "visa", expires_on=NOON.date())
    leg = owe(ada)

    with time_machine.travel(NOON.replace(day=21), tick=False):
        collect_leg(leg_id=leg.pk)

    assert standing(leg).payments == [("failed", "hard", "expired_card")]
    method.refresh_from_db()
    assert method.status == PaymentMethod.Status.REFUSED


class TestConfirmation:
    """The bank wants Ada's confirmation: everything pauses, and a link is mailed."""

    def test_the_leg_waits_for_the_driver(self, ada: Driver, unconfirmed: FundingLeg) -> None:
        now = standing(unconfirmed)
        assert (now.leg, now.session) == ("requires_action", "due")
        assert now.payments == [("requires_action", "", "")]
        assert (now.charged, now.posted, now.owed) == (NOTHING, NOTHING, OWED)
        payment = last_payment(unconfirmed)
        told = collection_of(unconfirmed.pk)
        assert told.action_url == payment.action_url
        assert told.action_url == f"http://127.0.0.1:8000/pay/fake/confirm/{payment.provider_reference}/"
        assert told.reason == "Your bank wants you to confirm this payment."
        assert collect_leg(leg_id=unconfirmed.pk, is_early=True) is None

    def test_confirmed_it_is_paid(self, unconfirmed: FundingLeg) -> None:
        payment = last_payment(unconfirmed)
        bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)

        reread_payment(payment_id=payment.pk)

        now = standing(unconfirmed)
        assert (now.leg, now.session) == ("paid", "paid")
        assert (now.charged, now.posted, now.owed) == (OWED, OWED, NOTHING)
        assert collection_of(unconfirmed.pk).action_url == ""

    def test_refused_it_is_asked_again_later(self, unconfirmed: FundingLeg) -> None:
        payment = last_payment(unconfirmed)
        bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=False)

        reread_payment(payment_id=payment.pk)

        now = standing(unconfirmed)
        assert now.leg == "retrying"
        assert now.payments == [("failed", "sca", "authentication_failed")]
        assert now.charged == NOTHING
        assert collection_of(unconfirmed.pk).reason == "The payment was not confirmed at the bank."


def test_what_a_wallet_driver_owes_is_not_taken_from_a_card_unasked(ada: Driver) -> None:
    save_card(ada)
    leg = owe(ada, source=FundingLeg.Source.DEBT)

    assert collect_leg(leg_id=leg.pk) is None
    assert standing(leg).charged == NOTHING

    assert collect_leg(leg_id=leg.pk, is_early=True) is not None
    assert standing(leg).leg == "paid"


def test_a_provider_is_never_called_inside_a_transaction(ada: Driver) -> None:
    save_card(ada)
    leg = owe(ada)

    with pytest.raises(RuntimeError, match="durable atomic block"), transaction.atomic():
        collect_leg(leg_id=leg.pk)

    assert Payment.objects.count() == 0
    assert FakeProviderObject.objects.filter(kind="payment").count() == 0
    assert standing(leg).leg == "due"
