"""VAT rates by country and date."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class VatRate(models.Model):
    """The standard rate a country applies to a supply from `valid_from` (local date) on, until a later row."""

    country = models.CharField(_("country"), max_length=2)
    percent = models.DecimalField(_("percent"), max_digits=6, decimal_places=3)
    valid_from = models.DateField(_("valid from"))

    class Meta:
        verbose_name = _("VAT rate")
        verbose_name_plural = _("VAT rates")
        ordering = ["country", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["country", "valid_from"], name="vat_rate_once_per_day"),
            models.CheckConstraint(
                condition=models.Q(percent__gte=0, percent__lt=100), name="vat_rate_percent_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.percent.normalize():f} %"
