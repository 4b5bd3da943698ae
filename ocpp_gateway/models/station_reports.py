"""What stations report beside transactions, variables, security events and transfers (OCPP 2.0.1)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import ChargePoint


class StationReport(models.Model):
    """One message of a report, as it came; those of one request have its `request_id` and count by `seq_no`.

    Append-only and kept as long as the message log.
    """

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="station_reports", verbose_name=_("charge point")
    )
    action = models.CharField(_("message"), max_length=50)
    request_id = models.BigIntegerField(_("request"), null=True, blank=True)
    seq_no = models.BigIntegerField(_("part"), null=True, blank=True)
    summary = models.CharField(_("says"), max_length=200)
    payload = models.JSONField(_("as reported"))
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("charge point report")
        verbose_name_plural = _("charge point reports")
        ordering = ["-pk"]
        indexes = [
            # The reports shown beside one charge point, newest first.
            models.Index(fields=["charge_point", "-id"], name="station_report_by_point"),
            # Pruning by age.
            models.Index(fields=["received_at"], name="station_report_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point}: {self.action}"
