"""Webhooks: only signed ones come in, and in any order and number they end in the same state."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from accounts.models import Driver
from billing.models import FakeProviderObject, Payment, PaymentMethod, ProviderEvent
from billing.providers.fake import bank, post
from billing.providers.fake.cards import card_named
from billing.providers.registry import get_provider
from billing.services import methods
from billing.services.payment_sweep import sweep_payments
from billing.services.payments import collect_leg
from billing.services.provider_events import process_event, receive_event
from common import clock
from tests.billing.payments.world import (
    GOOD_UNTIL,
    NOON,
    RETURN_URL,
    last_payment,
    owe,
    queued,
    save_card,
    standing,
    work_off_queue,
)

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/pay/webhooks/fake/"
SECRET = "test-only-not-a-secret"


def events(subject_reference: str) -> list[str]:
    """References of the bank's webhooks about one thing, oldest first."""
    return list(
        FakeProviderObject.objects.filter(kind="event", data__reference=subject_reference)
        .order_by("pk")
        .values_list("reference", flat=True)
    )


def deliver(event_reference: str) -> ProviderEvent:
    """Over HTTP to our door, then the work on it."""
    body, headers = post.write_out(event_reference)
    response = Client().post(ADDRESS, body, content_type="application/json", headers=headers)
    assert response.status_code == 200
    event = ProviderEvent.objects.get(event_id=event_reference)
    return process_event(event_id=event.pk)


class TestDoor:
    @pytest.fixture
    def event_reference(self, ada: Driver) -> str:
        save_card(ada)
        leg = owe(ada)
        collect_leg(leg_id=leg.pk)
        return events(last_payment(leg).provider_reference)[-1]

    def test_a_signed_one_is_stored_acknowledged_and_queued(self, event_reference: str) -> None:
        body, headers = post.write_out(event_reference)
        before = queued().count("process_provider_event")

        first = Client(enforce_csrf_checks=True).post(ADDRESS, body, content_type="application/json", headers=headers)
        again = Client(enforce_csrf_checks=True).post(ADDRESS, body, content_type="application/json", headers=headers)

        assert (first.status_code, again.status_code) == (200, 200)
        event = ProviderEvent.objects.get()
        assert (event.provider, event.event_id, event.kind) == ("fake", event_reference, "payment.succeeded")
        assert (event.subject, event.processed_at) == ("payment", None)
        assert event.payload == json.loads(body)
        assert queued().count("process_provider_event") == before + 1

    @pytest.mark.parametrize(
        "signature",
        [
            None,
            "",
            "nonsense",
            "t=,v1=",
            "t=1,v1=abc",
            "t=١,v1=abc",
            "v1=abc",
            f"t={'9' * 40},v1=abc",
            "t=-1,v1=é",
        ],
    )
    def test_an_unsigned_one_is_refused_and_not_stored(self, event_reference: str, signature: str | None) -> None:
        body, _headers = post.write_out(event_reference)
        headers = {} if signature is None else {post.SIGNATURE_HEADER: signature}

        response = Client().post(ADDRESS, body, content_type="application/json", headers=headers)

        assert response.status_code == 400
        assert response.json()["code"] == "webhook_signature_invalid"
        assert ProviderEvent.objects.count() == 0

    def test_one_signed_with_another_secret_is_refused(self, event_reference: str, settings: Settings) -> None:
        settings.FAKE_PROVIDER_WEBHOOK_SECRET = "somebody else's"
        body, headers = post.write_out(event_reference)
        settings.FAKE_PROVIDER_WEBHOOK_SECRET = SECRET

        assert Client().post(ADDRESS, body, content_type="application/json", headers=headers).status_code == 400
        assert ProviderEvent.objects.count() == 0

    def test_one_whose_body_was_changed_is_refused(self, event_reference: str) -> None:
        body, headers = post.write_out(event_reference)
        changed = body.replace(b"succeeded", b"requires_action")

        assert Client().post(ADDRESS, changed, content_type="application/json", headers=headers).status_code == 400
        assert ProviderEvent.objects.count() == 0

    @pytest.mark.parametrize(("minutes", "status"), [(-6, 400), (-4, 200), (4, 200), (6, 400)])
    def test_a_signature_is_good_for_five_minutes(self, event_reference: str, minutes: int, status: int) -> None:
        with time_machine.travel(NOON, tick=False):
            body, headers = post.write_out(event_reference)
        with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False):
            response = Client().post(ADDRESS, body, content_type="application/json", headers=headers)

        assert response.status_code == status
        assert ProviderEvent.objects.count() == (status == 200)

    def test_without_a_secret_nothing_is_believed(self, event_reference: str, settings: Settings) -> None:
        body, _headers = post.write_out(event_reference)
        settings.FAKE_PROVIDER_WEBHOOK_SECRET = ""

        response = Client().post(
            ADDRESS, body, content_type="application/json", headers={post.SIGNATURE_HEADER: "t=1,v1=abc"}
        )

        assert response.status_code == 400
        assert ProviderEvent.objects.count() == 0

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"id": "1"}',
            b'{"id": 1, "kind": 2, "subject": "else", "reference": ""}',
            b"\xff",
        ],
    )
    def test_signed_nonsense_is_refused_and_not_stored(self, db: None, body: bytes) -> None:
        headers = {post.SIGNATURE_HEADER: post.sign(body, at=int(clock.now().timestamp()))}

        response = Client().post(ADDRESS, body, content_type="application/json", headers=headers)

        assert response.status_code == 400
        assert response.json()["code"] == "webhook_malformed"
        assert ProviderEvent.objects.count() == 0

    def test_only_the_provider_in_use_has_a_door(self, db: None, settings: Settings) -> None:
        assert Client().post("/pay/webhooks/stripe/", b"{}", content_type="application/json").status_code == 404
        settings.PAYMENT_PROVIDER = "stripe"
        assert Client().post(ADDRESS, b"{}", content_type="application/json").status_code == 404

    def test_it_only_takes_posts(self, db: None) -> None:
        assert Client().get(ADDRESS).status_code == 405


class TestAnyOrder:
    def test_a_webhook_that_overtakes_the_answer(self, ada: Driver) -> None:
        save_card(ada, "answer_lost")
        leg = owe(ada)
        collect_leg(leg_id=leg.pk)
        at_bank = FakeProviderObject.objects.get(kind="payment")
        assert last_payment(leg).provider_reference == ""

        deliver(events(at_bank.reference)[0])

        assert standing(leg).payments == [("succeeded", "", "")]
        assert last_payment(leg).provider_reference == at_bank.reference
        assert sweep_payments(clock.now() + timedelta(minutes=5)) == 0

    def test_a_late_webhook_of_an_older_attempt_changes_nothing(self, ada: Driver) -> None:
        method = save_card(ada, "insufficient_funds")
        leg = owe(ada)
        collect_leg(leg_id=leg.pk)
        (declined,) = events(last_payment(leg).provider_reference)
        bank.change_card(card_reference=method.provider_reference, test_card="visa")
        collect_leg(leg_id=leg.pk, is_early=True)
        before = (standing(leg), method.status)

        deliver(declined)

        method.refresh_from_db()
        assert (standing(leg), method.status) == before
        assert standing(leg).payments == [("failed", "soft", "insufficient_funds"), ("succeeded", "", "")]


def test_an_event_left_lying_is_worked_on_by_the_sweep(ada: Driver) -> None:
    save_card(ada, "confirm_each")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    payment = last_payment(leg)
    bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)
    Payment.objects.filter(pk=payment.pk).update(reread_at=clock.now() + timedelta(days=1))
    body, headers = post.write_out(events(payment.provider_reference)[-1])
    event = receive_event(provider="fake", body=body, headers=headers)
    bank.set_outage(True)
    assert sweep_payments(event.received_at + timedelta(minutes=1)) == 1
    assert ProviderEvent.objects.filter(processed_at__isnull=True).count() == 1
    bank.set_outage(False)

    sweep_payments(event.received_at + timedelta(minutes=1))

    assert standing(leg).leg == "paid"
    event.refresh_from_db()
    assert event.processed_at is not None


def test_what_is_not_about_a_payment_of_ours_is_noted(ada: Driver) -> None:
    method = save_card(ada)
    theirs, _is_answered = bank.make_payment(
        key="somebody else's",
        customer=method.provider_customer,
        card=method.provider_reference,
        amount=owe(ada).amount,
        currency="EUR",
        return_url="",
        is_hold=False,
    )

    event = deliver(events(theirs.reference)[0])

    assert event.note == "not a payment of ours"
    assert Payment.objects.count() == 0


def test_the_whole_way_with_nothing_but_the_worker(ada: Driver) -> None:
    """Card saved, browser closed before coming back; the debt is paid by what webhooks and tasks do."""
    leg = owe(ada)
    page = methods.start_setup(driver_id=ada.pk, return_url=RETURN_URL)
    bank.enter_card(setup_reference=page.rstrip("/").rpartition("/")[2], card=card_named("visa"), expires_on=GOOD_UNTIL)

    ran = work_off_queue()

    assert ran == [
        "deliver_fake_event",
        "process_provider_event",
        "retry_open_debt",
        "deliver_fake_event",
        "process_provider_event",
    ]
    assert standing(leg).payments == [("succeeded", "", "")]
    assert get_provider().name == PaymentMethod.objects.get().provider


def test_an_event_about_something_the_provider_does_not_know_is_noted(ada: Driver) -> None:
    event = ProviderEvent.objects.create(
        provider="fake", event_id="1", kind="setup.succeeded", subject="setup", provider_reference="gone", payload={}
    )

    assert process_event(event_id=event.pk).note == "The payment provider knows no setup “gone”."
    assert process_event(event_id=event.pk).processed_at is not None
