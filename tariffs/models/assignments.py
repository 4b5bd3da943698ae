"""Which tariff applies to whom, where, and when."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ContractType, CustomerGroup
from locations.models import ChargePoint, Connector, Location, Region
from tariffs.models.tariffs import Tariff

_PLACES = ("region", "location", "charge_point", "connector")
_PLACE_OF_SCOPE = {
    "network": None,
    "country": None,
    "region": "region",
    "location": "location",
    "charge_point": "charge_point",
    "connector": "connector",
}


def _scope_names_its_place() -> models.Q:
    condition = models.Q()
    for scope, place in _PLACE_OF_SCOPE.items():
        nulls = {f"{name}__isnull": name != place for name in _PLACES}
        country = ~models.Q(country="") if scope == "country" else models.Q(country="")
        condition |= models.Q(scope=scope, **nulls) & country
    return condition


class TariffAssignment(models.Model):
    """One row says: this tariff, at this place, for these customers, from then until then.

    The order among matching rows is written once, in tariffs.domain.resolution.
    """

    class Scope(models.TextChoices):
        NETWORK = "network", _("Whole network")
        COUNTRY = "country", _("Country")
        REGION = "region", _("Region")
        LOCATION = "location", _("Location")
        CHARGE_POINT = "charge_point", _("Charge point")
        CONNECTOR = "connector", _("Connector")

    class Channel(models.TextChoices):
        RFID = "rfid", _("RFID card")
        APP = "app", _("App or site")
        AD_HOC = "ad_hoc", _("Ad hoc")

    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="assignments", verbose_name=_("tariff"))
    scope = models.CharField(_("place"), max_length=12, choices=Scope.choices)
    country = models.CharField(_("country"), max_length=2, blank=True)
    region = models.ForeignKey(Region, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("region"))
    location = models.ForeignKey(Location, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("location"))
    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("charge point")
    )
    connector = models.ForeignKey(
        Connector, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("connector")
    )
    power_class = models.CharField(
        _("power class"), max_length=3, blank=True, choices=Connector.PowerClass.choices, help_text=_("Empty: any")
    )
    customer_group = models.ForeignKey(
        CustomerGroup, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("customer group")
    )
    contract_type = models.ForeignKey(
        ContractType, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("contract type")
    )
    channel = models.CharField(
        _("channel"), max_length=10, blank=True, choices=Channel.choices, help_text=_("Empty: any")
    )
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Higher wins among equals."))

    class Meta:
        verbose_name = _("tariff assignment")
        verbose_name_plural = _("tariff assignments")
        ordering = ["scope", "-priority", "-pk"]
        constraints = [
            models.CheckConstraint(condition=_scope_names_its_place(), name="assignment_scope_names_its_place"),
            models.CheckConstraint(
                condition=models.Q(valid_until__isnull=True) | models.Q(valid_until__gt=models.F("valid_from")),
                name="assignment_ends_after_it_starts",
            ),
        ]
        indexes = [
            # tariffs.selectors.resolution: candidates for one connector.
            models.Index(fields=["scope", "location"], name="assignment_by_location"),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} · {self.get_scope_display()}"
