"""Open access: places where anybody charges for nothing and the operator bears the price."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.domain.open_access import EVERY_DAY, FreeUse, OpenHours
from common.units import kwh_to_wh
from locations.models import Connector, Location


def every_day() -> list[int]:
    return list(EVERY_DAY)


class OpenAccess(models.Model):
    """Free charging at a location or a connector, for whoever comes, at times and within bounds.

    A session that begins within its hours stays free to its end, or to the bound: what it would have cost is the
    operator's (`open_access_expense`). Its place, hours and bounds stay once a session was free by it.
    """

    name = models.CharField(_("name"), max_length=80)
    location = models.ForeignKey(
        Location,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="open_access",
        verbose_name=_("location"),
    )
    connector = models.ForeignKey(
        Connector,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="open_access",
        verbose_name=_("connector"),
    )
    is_active = models.BooleanField(_("in use"), default=True)
    valid_from = models.DateTimeField(_("from"), default=timezone.now)
    valid_until = models.DateTimeField(_("until"), null=True, blank=True)
    weekdays = models.JSONField(_("weekdays"), default=every_day)
    begins_at = models.TimeField(_("hours from"), null=True, blank=True)
    ends_at = models.TimeField(_("hours until"), null=True, blank=True)
    max_kwh = models.DecimalField(
        _("most energy of a session (kWh)"),
        max_digits=9,
        decimal_places=3,
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    max_minutes = models.PositiveIntegerField(
        _("longest session (minutes)"), null=True, blank=True, validators=[MinValueValidator(2)]
    )
    max_sessions_per_day = models.PositiveIntegerField(
        _("most sessions a day"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    cost_centre = models.CharField(_("cost centre"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("open access")
        verbose_name_plural = _("open access")
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(location__isnull=True, connector__isnull=False)
                | models.Q(location__isnull=False, connector__isnull=True),
                name="open_access_one_place",
                violation_error_message=_("Choose a location or a connector, one of the two."),
            ),
            models.CheckConstraint(
                condition=models.Q(valid_until__isnull=True) | models.Q(valid_until__gt=models.F("valid_from")),
                name="open_access_ends_after_it_begins",
                violation_error_message=_("It ends after it begins."),
            ),
            models.CheckConstraint(
                condition=models.Q(begins_at__isnull=True, ends_at__isnull=True)
                | models.Q(begins_at__isnull=False, ends_at__isnull=False) & ~models.Q(begins_at=models.F("ends_at")),
                name="open_access_hours_are_a_span",
                violation_error_message=_("Give both ends of the hours, not the same; or neither for the whole day."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        days = self.weekdays
        if not isinstance(days, list) or not days or not set(days) <= set(EVERY_DAY):
            raise ValidationError({"weekdays": _("Choose at least one day of the week.")})

    @property
    def hours(self) -> OpenHours:
        return OpenHours(self.weekdays, self.begins_at, self.ends_at)

    @property
    def free_use(self) -> FreeUse:
        return FreeUse(
            most_wh=None if self.max_kwh is None else kwh_to_wh(self.max_kwh),
            longest=None if self.max_minutes is None else timedelta(minutes=self.max_minutes),
        )
