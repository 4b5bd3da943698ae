"""The message log: every frame of every station, as it was."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import ChargePoint


class OcppMessage(models.Model):
    """One frame. Append-only; old rows are pruned. Secrets, and id tags by policy, are masked before they are kept."""

    class Direction(models.TextChoices):
        FROM_STATION = "in", _("From the charge point")
        TO_STATION = "out", _("To the charge point")

    class Kind(models.TextChoices):
        CALL = "call", _("Request")
        RESULT = "result", _("Answer")
        ERROR = "error", _("Error answer")
        INVALID = "invalid", _("Not a valid frame")

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="ocpp_messages", verbose_name=_("charge point")
    )
    connection_id = models.UUIDField(_("connection"))
    at = models.DateTimeField(_("at"))
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    kind = models.CharField(_("kind"), max_length=7, choices=Kind.choices)
    action = models.CharField(_("action"), max_length=50, blank=True)
    unique_id = models.CharField(_("message id"), max_length=36, blank=True)
    frame = models.TextField(_("frame"))

    class Meta:
        verbose_name = _("OCPP message")
        verbose_name_plural = _("OCPP messages")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(direction__in=["in", "out"]), name="ocpp_message_direction"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["call", "result", "error", "invalid"]), name="ocpp_message_kind"
            ),
        ]
        indexes = [
            # The log shown beside one charge point, newest first.
            models.Index(fields=["charge_point", "-at"], name="ocpp_message_by_point"),
            # Pruning by age.
            models.Index(fields=["at"], name="ocpp_message_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} {self.direction} {self.action or self.kind}"
