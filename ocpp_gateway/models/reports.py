"""Reports of stations that could not be booked as they came."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models import ChargingSession
from locations.models import ChargePoint


class ParkedReport(models.Model):
    """A report that was answered and kept, and waits for a person: nothing a station says of a transaction is lost.

    `fingerprint` is of what was reported, so that the same report sent again parks nothing new.
    """

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="parked_reports", verbose_name=_("charge point")
    )
    action = models.CharField(_("message"), max_length=50)
    reason = models.CharField(_("reason"), max_length=60)
    payload = models.JSONField(_("as reported"))
    fingerprint = models.CharField(max_length=64, editable=False)
    received_at = models.DateTimeField(_("received at"))
    suggested_session = models.ForeignKey(
        ChargingSession,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="parked_reports",
        verbose_name=_("probably belongs to"),
    )
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("resolved by"),
    )
    resolution_note = models.TextField(_("what was decided"), blank=True)

    class Meta:
        verbose_name = _("parked report")
        verbose_name_plural = _("parked reports")
        ordering = ["-received_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "fingerprint"], name="parked_report_once"),
            models.CheckConstraint(
                condition=models.Q(resolved_at__isnull=True, resolved_by__isnull=True, resolution_note="")
                | models.Q(resolved_at__isnull=False, resolved_by__isnull=False) & ~models.Q(resolution_note=""),
                name="parked_report_resolution_is_complete",
            ),
        ]
        indexes = [
            # The operator's queue.
            models.Index(
                fields=["received_at"], condition=models.Q(resolved_at__isnull=True), name="parked_report_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.charge_point}"
