"""A leg collected through Stripe, from our claim to our books."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import stripe
from pytest_django import Settings

from accounts.models import Driver
from billing.models import FundingLeg, Payment, PaymentMethod
from billing.services.payment_sweep import reread_payment
from billing.services.payments import collect_leg
from tests.billing.payments.world import owe, owed_by
from tests.billing.stripe.server import Server, decline, declined_intent, intent
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(settings: Settings, monkeypatch: pytest.MonkeyPatch, server: Server) -> Driver:
    """Ada has two cards at Stripe, whose end of the wire is `server`."""
    settings.PAYMENT_PROVIDER = "stripe"
    settings.STRIPE_SECRET_KEY = "sk_test_not_a_secret"
    monkeypatch.setattr(stripe, "RequestsClient", lambda **options: server)
    driver = DriverFactory()
    for reference, is_default in (("pm_1Ada", True), ("pm_2Ada", False)):
        PaymentMethod.objects.create(
            driver=driver,
            provider="stripe",
            provider_customer="cus_Ada",
            provider_reference=reference,
            brand="visa",
            last4="4242",
            expires_on=date(2040, 12, 31),
            is_default=is_default,
        )
    return driver


def key(leg: FundingLeg, attempt: int) -> str:
    return f"session:{leg.cdr.charging_session.public_id}:leg:1:attempt:{attempt}"


def paid(leg: FundingLeg, attempt: int, **changes: str) -> dict[str, Any]:
    return intent(metadata={"idempotency_key": key(leg, attempt)}, **changes)


def test_a_paid_leg_is_posted(ada: Driver, server: Server) -> None:
    leg = owe(ada)
    server.answers(paid(leg, 1))

    payment = collect_leg(leg_id=leg.pk)

    assert payment is not None
    assert (payment.status, payment.provider_reference) == (Payment.Status.SUCCEEDED, "pi_3Ada")
    leg.refresh_from_db()
    assert leg.state == FundingLeg.State.PAID
    assert owed_by(ada.pk) == Decimal(0)


def test_a_lost_card_is_never_asked_again_and_the_next_one_pays(ada: Driver, server: Server) -> None:
    leg = owe(ada)
    lost = declined_intent("card_declined", "lost_card") | {"metadata": {"idempotency_key": key(leg, 1)}}
    server.answers(decline("card_declined", "lost_card"), lost, paid(leg, 2, id="pi_4Ada"))

    payment = collect_leg(leg_id=leg.pk)

    assert payment is not None
    assert (payment.attempt, payment.status) == (2, Payment.Status.SUCCEEDED)
    assert [asked.form.get("payment_method") for asked in server.asked if asked.method == "post"] == [
        "pm_1Ada",
        "pm_2Ada",
    ]
    assert PaymentMethod.objects.get(provider_reference="pm_1Ada").status == PaymentMethod.Status.REFUSED


def test_an_answer_lost_on_the_way_is_found_again_and_charged_once(ada: Driver, server: Server) -> None:
    leg = owe(ada)
    server.answers(
        stripe.APIConnectionError("timed out"),
        {"object": "search_result", "data": [paid(leg, 1)], "has_more": False, "url": "x"},
    )

    unanswered = collect_leg(leg_id=leg.pk)
    assert unanswered is not None
    assert unanswered.status == Payment.Status.UNANSWERED
    payment = reread_payment(payment_id=unanswered.pk)

    assert payment.status == Payment.Status.SUCCEEDED
    assert [asked.method for asked in server.asked] == ["post", "get"]
