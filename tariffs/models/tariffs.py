"""Tariffs and their immutable versions."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.contracts import currency_code


class Tariff(models.Model):
    """A price list with a name. What it charges is in its versions."""

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    note = models.TextField(_("internal note"), blank=True)

    class Meta:
        verbose_name = _("tariff")
        verbose_name_plural = _("tariffs")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TariffVersion(models.Model):
    """One state of a tariff as canonical OCPI JSON. A published version is never changed; a new one follows it.

    In force at a moment: the published version with the latest `valid_from` at or before it, unless it has ended by
    then. `valid_until` is the document's own end (OCPI end_date_time), and nothing comes back after it: a tariff whose
    latest version has ended prices nothing. `digest` is the SHA-256 of `document` and is frozen into every session it
    prices.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    TRANSITIONS = {
        Status.DRAFT: {Status.PUBLISHED, Status.WITHDRAWN},
        Status.PUBLISHED: {Status.WITHDRAWN},
        Status.WITHDRAWN: set[str](),
    }

    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="versions", verbose_name=_("tariff"))
    number = models.PositiveIntegerField(_("version"))
    document = models.TextField(_("OCPI JSON"))
    source = models.TextField(
        _("OCPI document as it came"),
        blank=True,
        default="",
        editable=False,
        help_text=_("With everything that does not price: ids, texts, links, energy mix. Empty: made here."),
    )
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.DRAFT)
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True, editable=False)
    published_at = models.DateTimeField(_("published at"), null=True, blank=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("published by"),
    )

    class Meta:
        verbose_name = _("tariff version")
        verbose_name_plural = _("tariff versions")
        ordering = ["tariff", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["tariff", "number"], name="tariff_version_number_once"),
            models.CheckConstraint(
                condition=models.Q(status="draft", published_at__isnull=True)
                | models.Q(status="withdrawn")
                | models.Q(status="published", published_at__isnull=False),
                name="tariff_version_published_has_its_moment",
            ),
        ]
        indexes = [
            # tariffs.selectors.resolution: the version in force at a moment.
            models.Index(fields=["tariff", "-valid_from"], name="tariff_version_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} v{self.number}"
