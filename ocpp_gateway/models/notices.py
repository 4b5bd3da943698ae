"""What stations notify an operator of: security events, progress of firmware and log transfers."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import ChargePoint


class SecurityEvent(models.Model):
    """Something that bears on a station's security, as the station reported it (OCPP security whitepaper, 5.13)."""

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="security_events", verbose_name=_("charge point")
    )
    type = models.CharField(_("event"), max_length=50)
    needs_attention = models.BooleanField(_("needs attention"), default=False)
    tech_info = models.CharField(_("technical information"), max_length=255, blank=True)
    reported_at = models.DateTimeField(_("as the charge point dated it"))
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("security event")
        verbose_name_plural = _("security events")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "type", "reported_at", "tech_info"], name="security_event_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.charge_point}"


class TransferReport(models.Model):
    """One step of a firmware update or of a log's upload. Append-only: the last row says how it stands."""

    class Topic(models.TextChoices):
        FIRMWARE = "firmware", _("Firmware")
        LOG = "log", _("Diagnostics and logs")

    FAILED = frozenset(
        {
            "DownloadFailed", "InstallationFailed", "InvalidSignature", "InstallVerificationFailed", "UploadFailed",
            "BadMessage", "NotSupportedOperation", "PermissionDenied", "UploadFailure",
        }
    )  # fmt: skip

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="transfer_reports", verbose_name=_("charge point")
    )
    topic = models.CharField(_("about"), max_length=8, choices=Topic.choices)
    status = models.CharField(_("status"), max_length=40)
    request_id = models.BigIntegerField(_("request"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("firmware and log report")
        verbose_name_plural = _("firmware and log reports")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(topic__in=["firmware", "log"]), name="transfer_report_topic"),
        ]
        indexes = [
            # The last word of one charge point on one topic.
            models.Index(fields=["charge_point", "topic", "-id"], name="transfer_report_by_point"),
        ]

    def __str__(self) -> str:
        return f"{self.get_topic_display()}: {self.status}"
