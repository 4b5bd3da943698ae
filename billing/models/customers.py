"""Drivers as the payment provider knows them."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver


class ProviderCustomer(models.Model):
    """One driver's one customer at one provider: what their cards are kept under.

    `name` and `email` are what the provider was told, or is being told while `told_at` is empty; they stay as they were
    written until the provider has answered, so that a repeat has the same terms. `version` counts what it was told, and
    its idempotency keys with it. `reference` is empty until the provider has made the customer.
    """

    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, related_name="provider_customers", verbose_name=_("driver")
    )
    provider = models.CharField(_("provider"), max_length=20)
    reference = models.CharField(_("provider's reference"), max_length=100, blank=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    told_at = models.DateTimeField(_("told at"), null=True, blank=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    failure_code = models.CharField(_("failure code"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("customer at the payment provider")
        verbose_name_plural = _("customers at the payment provider")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["driver", "provider"], name="provider_customer_once_per_driver"),
            models.UniqueConstraint(
                fields=["provider", "reference"],
                condition=~models.Q(reference=""),
                name="provider_customer_reference_once",
            ),
            models.CheckConstraint(
                condition=models.Q(told_at__isnull=True) | ~models.Q(reference=""),
                name="provider_customer_told_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.reference or str(self.driver)
