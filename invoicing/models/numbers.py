"""Where document numbers come from."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import LegalEntity


class DocumentKind(models.TextChoices):
    """What a document is. The letter in its number is in invoicing.domain.numbering."""

    RECEIPT = "receipt", _("Receipt")


class NumberSeries(models.Model):
    """The numbers of one seller, kind and year. Its row is locked while a document is sealed, so no number is skipped.

    `last_number` only ever grows by one (database trigger).
    """

    legal_entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, related_name="number_series", verbose_name=_("seller")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=DocumentKind.choices)
    year = models.PositiveSmallIntegerField(_("year"))
    last_number = models.PositiveIntegerField(_("last number"), default=0)

    class Meta:
        verbose_name = _("number series")
        verbose_name_plural = _("number series")
        ordering = ["legal_entity", "kind", "-year"]
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "kind", "year"], name="number_series_once"),
        ]

    def __str__(self) -> str:
        return f"{self.legal_entity.document_prefix} {self.get_kind_display()} {self.year}"
