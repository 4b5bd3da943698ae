"""Keys to the API, and the writes made with them."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ApiKey(models.Model):
    """What another system presents instead of a login. Only a hash of its secret is kept; it is shown once.

    `prefix` is the part of the key that may be seen: in lists, in the audit trail, in a log.
    """

    class Scope(models.TextChoices):
        LOCATIONS_READ = "locations:read", _("Read locations, connectors, their status and prices")
        TARIFFS_READ = "tariffs:read", _("Read tariffs")
        TARIFFS_WRITE = "tariffs:write", _("Send tariffs, which become drafts")
        QUOTES_READ = "quotes:read", _("Ask for quotes")
        SESSIONS_READ = "sessions:read", _("Read charging sessions")
        CDRS_READ = "cdrs:read", _("Read charge detail records")
        PRICES_WRITE = "prices:write", _("Send values of price series")
        COMMANDS_READ = "commands:read", _("Read commands to charge points and their answers")
        COMMANDS_WRITE = "commands:write", _("Send commands to charge points")

    name = models.CharField(_("name"), max_length=100, help_text=_("The system that uses the key."))
    prefix = models.CharField(_("begins with"), max_length=20, unique=True, editable=False)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = models.JSONField(_("may"), default=list)
    # The form it was asked for with: sent twice, it makes one key.
    request_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(_("made at"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("made by")
    )
    expires_at = models.DateTimeField(_("valid until"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=""), name="api_key_has_a_name"),
            models.CheckConstraint(
                condition=models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=models.F("created_at")),
                name="api_key_expires_after_it_was_made",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class ApiWrite(models.Model):
    """A write that was carried out, with its answer: the same Idempotency-Key gets that answer again.

    The row is made in the transaction of the write itself, so there is never one without the other.
    """

    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="writes", db_index=False)
    idempotency_key = models.CharField(max_length=100)
    # SHA-256 over method, address and body.
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("API write")
        verbose_name_plural = _("API writes")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["api_key", "idempotency_key"], name="api_write_once_per_key"),
        ]
        indexes = [
            # The sweep: writes old enough to be forgotten.
            models.Index(fields=["created_at"], name="api_write_by_age"),
        ]

    def __str__(self) -> str:
        return self.idempotency_key
