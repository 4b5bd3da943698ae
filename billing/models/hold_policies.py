"""How much is held on a card when a pre-authorised session starts."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import amount_field
from billing.models.sessions import ChargingSession
from common.currencies import quantize_amount
from locations.models import Connector, Location
from tariffs.models import Tariff


class HoldPolicy(models.Model):
    """One amount for a connector, a location, a tariff, or (none of them) the whole network.

    It may be for one power class or channel only. Which one counts is `billing.domain.holds.choose`'s decision.
    """

    connector = models.ForeignKey(
        Connector, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("connector")
    )
    location = models.ForeignKey(
        Location, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("location")
    )
    tariff = models.ForeignKey(
        Tariff, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("tariff")
    )
    power_class = models.CharField(
        _("power class"), max_length=3, choices=[("AC", "AC"), ("DC", "DC"), ("HPC", "HPC")], blank=True
    )
    channel = models.CharField(_("started by"), max_length=10, choices=ChargingSession.Channel.choices, blank=True)
    amount = amount_field(_("amount"))
    currency = models.CharField(_("currency"), max_length=3, default="EUR")

    class Meta:
        verbose_name = _("hold policy")
        verbose_name_plural = _("hold policies")
        ordering = ["connector", "location", "tariff", "power_class", "channel"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount__gt=0),
                name="hold_policy_amount_positive",
                violation_error_message=_("Hold an amount above zero."),
            ),
            models.CheckConstraint(
                condition=models.Q(location__isnull=True, tariff__isnull=True)
                | models.Q(connector__isnull=True, tariff__isnull=True)
                | models.Q(connector__isnull=True, location__isnull=True),
                name="hold_policy_one_place",
                violation_error_message=_("Choose a connector, a location or a tariff, not several; none for all."),
            ),
            *(
                models.UniqueConstraint(
                    fields=[place, "power_class", "channel", "currency"],
                    condition=models.Q(**{f"{place}__isnull": False}),
                    name=f"hold_policy_once_per_{place}",
                    violation_error_message=_("There is an amount for this already. Change that one."),
                )
                for place in ("connector", "location", "tariff")
            ),
            models.UniqueConstraint(
                fields=["power_class", "channel", "currency"],
                condition=models.Q(connector__isnull=True, location__isnull=True, tariff__isnull=True),
                name="hold_policy_once_for_the_network",
                violation_error_message=_("There is an amount for this already. Change that one."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.connector or self.location or self.tariff or _("The whole network"))

    def clean(self) -> None:
        if self.amount is not None and self.amount != quantize_amount(self.amount, self.currency):
            raise ValidationError({"amount": _("Use whole cents.")})
