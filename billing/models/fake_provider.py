"""The memory of the fake payment provider. Nothing else of ours refers to it: a real provider keeps its own."""

from django.db import models
from django.utils import timezone


class FakeProviderObject(models.Model):
    """One thing the fake provider remembers, as a remote service would, whatever becomes of our transactions.

    `data` depends on the kind (billing/providers/fake/bank.py); amounts in it are strings. `first_answer` is what the
    request that made it was told, replayed for the same key. No card number is ever kept.
    """

    class Kind(models.TextChoices):
        CUSTOMER = "customer", "Customer"
        SETUP = "setup", "Hosted page to save a card"
        CARD = "card", "Card"
        PAYMENT = "payment", "Payment or hold"
        CAPTURE = "capture", "Capture"
        RELEASE = "release", "Release"
        REFUND = "refund", "Refund"
        DISPUTE = "dispute", "Dispute"
        EVENT = "event", "Webhook"
        OUTAGE = "outage", "The provider is down"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    reference = models.CharField(max_length=60, unique=True)
    idempotency_key = models.CharField(max_length=150, unique=True, null=True, blank=True)
    request_hash = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=16)
    data = models.JSONField(default=dict)
    first_answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [
            # Listing what was made in a span of time.
            models.Index(fields=["kind", "created_at"], name="fake_object_by_time"),
        ]
        verbose_name = "fake provider object"
        verbose_name_plural = "fake provider objects"
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.reference
