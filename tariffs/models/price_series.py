"""Series of market prices that tariffs can follow."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.contracts import currency_code
from locations.models import ChargePoint, Region
from locations.models.places import validate_time_zone

# Enough for a price per MWh told to the cent, with tax, and for the coarsest currencies.
PRICE_DIGITS, PRICE_PLACES = 14, 8


class PriceSeries(models.Model):
    """Prices per kWh in steps of 15 or 60 minutes, before tax unless its tariffs are made for other values.

    A tariff names a series by its code. Of the series with that code the one of the charge point applies, else the one
    of its region, else the one for no place in particular.
    """

    class Step(models.IntegerChoices):
        QUARTER_HOUR = 15, _("15 minutes")
        HOUR = 60, _("60 minutes")

    class Unit(models.TextChoices):
        PER_KWH = "kwh", _("per kWh")
        PER_MWH = "mwh", _("per MWh")

    code = models.CharField(
        _("code"),
        max_length=40,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", _("Use letters, digits and . _ : - only."))],
        help_text=_("What tariffs call it, such as DE-LU. Series for single places share it."),
    )
    name = models.CharField(_("name"), max_length=100)
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    step_minutes = models.PositiveSmallIntegerField(_("step"), choices=Step.choices, default=Step.HOUR)
    region = models.ForeignKey(
        Region,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("region"),
        help_text=_("Empty: everywhere"),
    )
    charge_point = models.ForeignKey(
        ChargePoint,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("charge point"),
        help_text=_("Empty: everywhere"),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=50,
        validators=[validate_time_zone],
        help_text=_("In which the days of the series are counted, and the clock of files that give none."),
    )
    # Where it is fetched from; empty: by hand or through the API only.
    source = models.CharField(
        _("fetched from"),
        max_length=500,
        blank=True,
        help_text=_("Address or file of a CSV file that is read every hour. Empty: nothing is fetched."),
    )
    source_unit = models.CharField(_("its prices are"), max_length=3, blank=True, choices=Unit.choices)
    # How often what was refused last came again and was refused for the same reason, and when the last time was.
    refused_again = models.PositiveIntegerField(default=0, editable=False)
    refused_again_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("price series")
        verbose_name_plural = _("price series")
        ordering = ["code", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["code"],
                condition=models.Q(region__isnull=True, charge_point__isnull=True),
                name="price_series_once_everywhere",
            ),
            models.UniqueConstraint(fields=["code", "region"], name="price_series_once_per_region"),
            models.UniqueConstraint(fields=["code", "charge_point"], name="price_series_once_per_charge_point"),
            models.CheckConstraint(
                condition=models.Q(region__isnull=True) | models.Q(charge_point__isnull=True),
                name="price_series_is_for_one_place",
            ),
            models.CheckConstraint(condition=models.Q(step_minutes__in=[15, 60]), name="price_series_step_is_known"),
            models.CheckConstraint(
                condition=models.Q(source="") | ~models.Q(source_unit=""), name="price_series_source_has_its_unit"
            ),
            models.CheckConstraint(
                condition=models.Q(refused_again=0, refused_again_at__isnull=True)
                | models.Q(refused_again__gt=0, refused_again_at__isnull=False),
                name="price_series_refused_again_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        place = self.charge_point or self.region
        return f"{self.code} · {place}" if place else self.code


class PriceSeriesValue(models.Model):
    """The price of one step. It may be corrected: sessions keep what they were authorised with."""

    series = models.ForeignKey(PriceSeries, on_delete=models.PROTECT, related_name="values", db_index=False)
    start_at = models.DateTimeField(_("from"))
    price = models.DecimalField(_("price per kWh"), max_digits=PRICE_DIGITS, decimal_places=PRICE_PLACES)

    class Meta:
        verbose_name = _("market price")
        verbose_name_plural = _("market prices")
        ordering = ["series", "start_at"]
        constraints = [
            # Also serves tariffs.selectors.price_series: the steps of a series between two moments.
            models.UniqueConstraint(fields=["series", "start_at"], name="price_series_value_once_per_step"),
        ]

    def __str__(self) -> str:
        return f"{self.start_at:%Y-%m-%d %H:%M} {self.price.normalize():f}"


class PriceImport(models.Model):
    """What came in for a series, or why it did not. Kept as it is."""

    class Origin(models.TextChoices):
        UPLOAD = "upload", _("Uploaded file")
        API = "api", _("API")
        PULL = "pull", _("Fetched")

    class Status(models.TextChoices):
        TAKEN = "taken", _("Taken over")
        REFUSED = "refused", _("Refused")

    series = models.ForeignKey(PriceSeries, on_delete=models.PROTECT, related_name="imports", db_index=False)
    origin = models.CharField(_("came by"), max_length=6, choices=Origin.choices)
    source = models.CharField(_("from"), max_length=500, blank=True)
    status = models.CharField(_("result"), max_length=7, choices=Status.choices)
    added = models.PositiveIntegerField(_("new"), default=0)
    changed = models.PositiveIntegerField(_("corrected"), default=0)
    unchanged = models.PositiveIntegerField(_("as before"), default=0)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    problem = models.TextField(_("why not"), blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("price import")
        verbose_name_plural = _("price imports")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="taken", problem="") | models.Q(status="refused") & ~models.Q(problem=""),
                name="price_import_refused_says_why",
            ),
        ]
        indexes = [
            # The series page: the latest imports, and the latest that was taken over.
            models.Index(fields=["series", "-created_at"], name="price_import_by_series"),
        ]

    def __str__(self) -> str:
        return f"{self.get_origin_display()} {self.created_at:%Y-%m-%d %H:%M}"
