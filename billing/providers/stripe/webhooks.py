"""Stripe's webhooks: the signature over the raw body, and what an event is about."""

import json
from collections.abc import Mapping
from typing import Any

import stripe
from django.conf import settings

from billing.providers.base import ProviderNotice, Subject
from billing.providers.errors import SignatureInvalid, WebhookMalformed

SECONDS_OLD = 300
SIGNATURE = "stripe-signature"


def verify(body: bytes, headers: Mapping[str, str]) -> None:
    """Raises SignatureInvalid unless Stripe signed this body with our endpoint's secret in the last five minutes."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        # Without a secret anybody could sign.
        raise SignatureInvalid
    signature = next((value for name, value in headers.items() if name.lower() == SIGNATURE), "")
    try:
        stripe.WebhookSignature.verify_header(
            body.decode(), signature, settings.STRIPE_WEBHOOK_SECRET, tolerance=SECONDS_OLD
        )
    except (stripe.SignatureVerificationError, ValueError) as error:
        raise SignatureInvalid from error


def read(body: bytes) -> ProviderNotice:
    """The envelope of an event; of its object only what it is called, since the rest is read again. Raises
    WebhookMalformed.
    """
    try:
        event: dict[str, Any] = json.loads(body)
        thing = event["data"]["object"]
        kind, reference = str(event["type"]), str(thing.get("id", ""))
        return ProviderNotice(
            event_id=str(event["id"]),
            kind=kind,
            subject=_subject(kind, thing),
            reference=reference,
            payload={"id": event["id"], "type": kind, "created": event["created"], "reference": reference},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebhookMalformed from error


def _subject(kind: str, thing: dict[str, Any]) -> Subject:
    if kind.startswith("payment_intent."):
        return Subject.PAYMENT
    if kind.startswith("checkout.session.") and thing.get("mode") == "setup":
        return Subject.SETUP
    if kind.startswith("charge.dispute."):
        return Subject.DISPUTE
    return Subject.REFUND if kind.startswith("refund.") else Subject.OTHER
