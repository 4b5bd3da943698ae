"""Who sells, and where."""

import zoneinfo

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Partner


def validate_time_zone(value: str) -> None:
    """Accept IANA names the machine knows."""
    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise ValidationError(
            _("“%(value)s” is not a time zone such as Europe/Berlin."), params={"value": value}
        ) from error


class LegalEntity(models.Model):
    """The seller on documents."""

    name = models.CharField(_("name"), max_length=150)
    address = models.CharField(_("street and number"), max_length=200)
    postal_code = models.CharField(_("postal code"), max_length=20)
    city = models.CharField(_("city"), max_length=100)
    country = models.CharField(_("country"), max_length=2)
    vat_id = models.CharField(_("VAT id"), max_length=20)
    registration = models.CharField(_("company register"), max_length=100, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    document_prefix = models.CharField(_("prefix of document numbers"), max_length=8, unique=True)
    time_zone = models.CharField(_("time zone"), max_length=50, validators=[validate_time_zone])

    class Meta:
        verbose_name = _("legal entity")
        verbose_name_plural = _("legal entities")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Region(models.Model):
    """Part of the network that shares prices: a city, a state, a country."""

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    country = models.CharField(_("country"), max_length=2)

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Location(models.Model):
    """A place with charge points (OCPI Location). Its time zone decides tariff hours, its country decides VAT."""

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=150)
    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, verbose_name=_("seller"))
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="locations", verbose_name=_("region"))
    host = models.ForeignKey(
        Partner, on_delete=models.PROTECT, null=True, blank=True, related_name="locations", verbose_name=_("host")
    )
    address = models.CharField(_("street and number"), max_length=200)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=100)
    country = models.CharField(_("country"), max_length=2)
    time_zone = models.CharField(_("time zone"), max_length=50, validators=[validate_time_zone])
    latitude = models.DecimalField(_("latitude"), max_digits=9, decimal_places=6, null=True, blank=True)
    longitude = models.DecimalField(_("longitude"), max_digits=9, decimal_places=6, null=True, blank=True)
    is_public = models.BooleanField(_("shown to everyone"), default=True)

    class Meta:
        verbose_name = _("location")
        verbose_name_plural = _("locations")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
