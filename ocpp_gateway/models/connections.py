"""Which process holds a station's socket."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import ChargePoint


class StationConnection(models.Model):
    """The one socket of a charge point that counts. A newer socket takes the row over; whatever the replaced one still
    reports or its late disconnect is recognised by `connection_id` and has no effect.

    `seen_at` is refreshed by the process that holds the socket; a row left behind by a killed process goes stale.
    """

    charge_point = models.OneToOneField(
        ChargePoint, on_delete=models.PROTECT, related_name="connection", verbose_name=_("charge point")
    )
    connection_id = models.UUIDField(_("connection"), unique=True)
    process_id = models.UUIDField(_("gateway process"))
    subprotocol = models.CharField(_("subprotocol"), max_length=20)
    remote_address = models.CharField(_("address"), max_length=64, blank=True)
    connected_at = models.DateTimeField(_("connected at"))
    seen_at = models.DateTimeField(_("process last seen"))

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        indexes = [
            # The fence check of a process: which of its sockets still count.
            models.Index(fields=["process_id"], name="station_connection_by_process"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point}"
