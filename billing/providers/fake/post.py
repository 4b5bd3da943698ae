"""The fake provider's webhooks: signed when they are sent, as often and in whatever order the post brings them."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django_q.tasks import async_task

from billing.models import FakeProviderObject
from billing.providers.base import ProviderNotice, Subject
from billing.providers.errors import SignatureInvalid, WebhookMalformed
from common import clock
from common.ids import new_code

SIGNATURE_HEADER = "Fake-Signature"
TOLERANCE = timedelta(minutes=5)


def announce(kind: str, *, subject: str, reference: str) -> FakeProviderObject:
    """Write a webhook and hand it to the post, in the transaction of whatever it announces.

    data: created (unix seconds), kind, subject, reference. It says that something happened, not what is true now.
    """
    event = FakeProviderObject.objects.create(
        kind=FakeProviderObject.Kind.EVENT,
        reference=f"fake_event_{new_code(16).lower()}",
        state="written",
        data={"created": int(clock.now().timestamp()), "kind": kind, "subject": subject, "reference": reference},
    )
    async_task("billing.payment_tasks.deliver_fake_event", event.reference)
    return event


def write_out(event_reference: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a webhook, signed now."""
    event = FakeProviderObject.objects.get(kind=FakeProviderObject.Kind.EVENT, reference=event_reference)
    body = json.dumps({"id": event.reference, **event.data}, sort_keys=True).encode()
    return body, {SIGNATURE_HEADER: sign(body, at=int(clock.now().timestamp()))}


def sign(body: bytes, *, at: int) -> str:
    """`t=<unix seconds>,v1=<hex HMAC-SHA-256 of "<t>.<body>">`."""
    return f"t={at},v1={_digest(body, at)}"


def _digest(body: bytes, at: int) -> str:
    secret = settings.FAKE_PROVIDER_WEBHOOK_SECRET
    if not secret:
        # Without a secret anybody could sign.
        raise SignatureInvalid
    return hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()


def verify(body: bytes, headers: Mapping[str, str]) -> None:
    """Raises SignatureInvalid unless the body was signed with our secret in the last five minutes."""
    signature = next((value for name, value in headers.items() if name.lower() == SIGNATURE_HEADER.lower()), "")
    parts = dict(part.partition("=")[::2] for part in signature.split(","))
    moment, digest = parts.get("t", ""), parts.get("v1", "")
    # ASCII digits only, few enough to be a time: what follows is arithmetic on a stranger's input.
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12 and digest.isascii()):
        raise SignatureInvalid
    if not hmac.compare_digest(_digest(body, int(moment)), digest):
        raise SignatureInvalid
    if abs(clock.now().timestamp() - int(moment)) > TOLERANCE.total_seconds():
        raise SignatureInvalid


def read(body: bytes) -> ProviderNotice:
    """Raises WebhookMalformed."""
    try:
        payload: dict[str, Any] = json.loads(body, parse_float=Decimal)
        return ProviderNotice(
            event_id=str(payload["id"]),
            kind=str(payload["kind"]),
            subject=Subject(payload["subject"]),
            reference=str(payload["reference"]),
            payload=payload,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WebhookMalformed from error
