"""What a station's settings are, as it last said."""

from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from locations.models import ChargePoint


class ConfigurationValue(models.Model):
    """One setting of a charge point, as read from it or as it accepted it. Keys of secrets have no value here.

    `is_supported` False: it was asked for and the charge point does not know it. `needs_reboot`: it took a new value
    that counts from its next boot.
    """

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="configuration_values", verbose_name=_("charge point")
    )
    key = models.CharField(_("setting"), max_length=100)
    value = models.TextField(_("value"), blank=True)
    is_readonly = models.BooleanField(_("read-only"), default=False)
    is_supported = models.BooleanField(_("supported"), default=True)
    needs_reboot = models.BooleanField(_("takes effect after a reboot"), default=False)
    read_at = models.DateTimeField(_("as of"))

    class Meta:
        verbose_name = _("charge point setting")
        verbose_name_plural = _("charge point settings")
        ordering = ["charge_point", "key"]
        constraints = [
            models.UniqueConstraint("charge_point", Upper("key"), name="configuration_value_once_per_point"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point}: {self.key}"
