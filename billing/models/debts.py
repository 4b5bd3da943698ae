"""Who may charge although something is unpaid."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver


class DebtExemption(models.Model):
    """An operator lets a driver start sessions in [starts_at, ends_at) whatever is unpaid. The debt itself stays.

    Ended early, `ends_at` is moved to that moment; why is in the audit trail.
    """

    key = models.CharField(max_length=120, unique=True, editable=False)
    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, related_name="debt_exemptions", verbose_name=_("driver"), db_index=False
    )
    reason = models.CharField(_("reason"), max_length=200)
    starts_at = models.DateTimeField(_("from"), default=timezone.now)
    ends_at = models.DateTimeField(_("until"))
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("granted by")
    )

    class Meta:
        verbose_name = _("exemption from the debt block")
        verbose_name_plural = _("exemptions from the debt block")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gte=models.F("starts_at")), name="debt_exemption_ends_after_it_starts"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="debt_exemption_has_its_reason"),
        ]
        indexes = [
            # A start: is this driver exempt now?
            models.Index(fields=["driver", "ends_at"], name="debt_exemption_by_driver"),
        ]

    def __str__(self) -> str:
        return f"{self.driver}, {self.ends_at:%Y-%m-%d}"
