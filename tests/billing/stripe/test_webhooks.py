"""Stripe's webhooks at our door: only what Stripe signed comes in; what they are about is read again."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from billing import checks
from billing.models import ProviderEvent
from billing.providers.errors import SignatureInvalid, WebhookMalformed
from billing.providers.stripe import webhooks

pytestmark = pytest.mark.django_db

ADDRESS = "/pay/webhooks/stripe/"
SECRET = "whsec_not_a_secret"


@pytest.fixture(autouse=True)
def stripe_in_use(settings: Settings) -> None:
    settings.PAYMENT_PROVIDER = "stripe"
    settings.STRIPE_SECRET_KEY = "sk_test_not_a_secret"
    settings.STRIPE_WEBHOOK_SECRET = SECRET


def event(kind: str = "payment_intent.succeeded", **thing: Any) -> bytes:
    content = {"id": "pi_3Ada", "object": "payment_intent", "receipt_email": "ada@voltledger.example", **thing}
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": kind, "created": 1, "data": {"object": content}}
    ).encode()


def signature(body: bytes, *, secret: str = SECRET, age: int = 0) -> str:
    at = int(time.time()) - age
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def post(body: bytes, **headers: str) -> int:
    response = Client(enforce_csrf_checks=True).post(ADDRESS, body, content_type="application/json", headers=headers)
    return response.status_code


def test_a_signed_event_is_stored_once_without_personal_data() -> None:
    body = event()

    assert post(body, **{"Stripe-Signature": signature(body)}) == 200
    assert post(body, **{"Stripe-Signature": signature(body)}) == 200

    stored = ProviderEvent.objects.get()
    assert (stored.provider, stored.event_id, stored.kind) == ("stripe", "evt_1", "payment_intent.succeeded")
    assert (stored.subject, stored.provider_reference) == ("payment", "pi_3Ada")
    assert "ada@" not in json.dumps(stored.payload)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Stripe-Signature": ""},
        {"Stripe-Signature": "t=1"},
        {"Stripe-Signature": "t=abc,v1=def"},
        {"Stripe-Signature": signature(event(), secret="whsec_another")},
        {"Stripe-Signature": signature(event(amount=1))},
        {"Stripe-Signature": signature(event(), age=301)},
        {"Stripe-Signature": signature(event(), secret="chosen"), "X-Djstripe-Webhook-Secret": "chosen"},
    ],
)
def test_what_stripe_did_not_sign_is_refused_and_not_stored(headers: dict[str, str], settings: Settings) -> None:
    settings.DEBUG = True

    assert post(event(), **headers) == 400
    assert not ProviderEvent.objects.exists()


def test_without_a_secret_nobody_is_believed(settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""

    with pytest.raises(SignatureInvalid):
        webhooks.verify(event(), {"Stripe-Signature": signature(event(), secret="")})


def test_bytes_that_are_no_text_are_refused() -> None:
    assert post(b"\xff\xfe", **{"Stripe-Signature": "t=1,v1=00"}) == 400


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"id": "evt_1", "type": "x", "created": 1, "data": null}', b"{"])
def test_what_is_no_event_is_malformed(body: bytes) -> None:
    assert post(body, **{"Stripe-Signature": signature(body)}) == 400
    with pytest.raises(WebhookMalformed):
        webhooks.read(body)


@pytest.mark.parametrize(
    ("kind", "mode", "subject"),
    [
        ("payment_intent.payment_failed", "", "payment"),
        ("checkout.session.completed", "setup", "setup"),
        ("checkout.session.completed", "payment", "other"),
        ("refund.failed", "", "refund"),
        ("charge.dispute.funds_withdrawn", "", "dispute"),
        ("customer.updated", "", "other"),
    ],
)
def test_what_an_event_is_about(kind: str, mode: str, subject: str) -> None:
    assert webhooks.read(event(kind, mode=mode)).subject == subject


class TestStartUp:
    def test_a_live_key_does_not_start_with_debug(self, settings: Settings) -> None:
        settings.DEBUG, settings.STRIPE_LIVE_MODE = True, True

        assert checks.check_payments() == [checks.LIVE_KEY_WITH_DEBUG]

    def test_stripe_needs_both_of_its_secrets(self, settings: Settings) -> None:
        settings.STRIPE_WEBHOOK_SECRET = ""

        assert checks.check_payments() == [checks.NO_KEY]

    def test_a_test_key_on_a_public_site_is_said(self, settings: Settings) -> None:
        settings.SITE_URL = "https://charge.example.com"
        assert checks.check_payments() == [checks.TEST_KEY_IN_SERVICE]
        settings.STRIPE_LIVE_MODE = True
        assert checks.check_payments() == []

    def test_with_them_it_starts(self) -> None:
        assert checks.check_payments() == []

    def test_who_bears_a_lost_dispute_is_one_of_two(self, settings: Settings) -> None:
        settings.DISPUTES_LOST = "nobody"

        assert checks.check_payments() == [checks.UNKNOWN_BEARER]
