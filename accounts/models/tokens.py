"""Tokens: what a driver presents to a charge point."""

from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.people import Driver


class Token(models.Model):
    """An id tag and whose it is. Id tags are compared without regard to case (OCPP CiString)."""

    class Kind(models.TextChoices):
        RFID = "rfid", _("RFID card")
        APP = "app", _("App or site")
        AD_HOC = "ad_hoc", _("Ad hoc")

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        BLOCKED = "blocked", _("Blocked")

    TRANSITIONS = {Status.ACTIVE: {Status.BLOCKED}, Status.BLOCKED: {Status.ACTIVE}}

    id_tag = models.CharField(_("id tag"), max_length=36, help_text=_("As the charge point reads it."))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.RFID)
    label = models.CharField(_("label"), max_length=60, blank=True)
    driver = models.ForeignKey(Driver, on_delete=models.PROTECT, related_name="tokens", verbose_name=_("driver"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.ACTIVE)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        ordering = ["driver", "pk"]
        constraints = [
            models.UniqueConstraint(Upper("id_tag"), name="token_id_tag_unique_any_case"),
            models.CheckConstraint(condition=~models.Q(id_tag=""), name="token_id_tag_not_empty"),
        ]

    def __str__(self) -> str:
        return self.label or self.id_tag
