"""Charge points, EVSEs and connectors."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.ids import new_code
from locations.models.places import Location


class ChargePointModel(models.Model):
    """A make and model, with what is known of its habits as data. `quirks` keys are listed in docs/ocpp.md."""

    vendor = models.CharField(_("vendor"), max_length=50)
    name = models.CharField(_("model"), max_length=50)
    quirks = models.JSONField(_("quirks"), default=dict, blank=True)
    clock_may_be_used = models.BooleanField(
        _("its clock may be used for billing"),
        default=True,
        help_text=_("No: prices per minute or by time of day must not apply here, as by calibration law."),
    )
    reports_current = models.BooleanField(
        _("its meter reports the current"),
        default=True,
        help_text=_("No: prices that depend on the current never apply here."),
    )

    class Meta:
        verbose_name = _("charge point model")
        verbose_name_plural = _("charge point models")
        ordering = ["vendor", "name"]
        constraints = [models.UniqueConstraint(fields=["vendor", "name"], name="charge_point_model_once")]

    def __str__(self) -> str:
        return f"{self.vendor} {self.name}"


class ChargePoint(models.Model):
    """A station. Its key is stored as an HMAC only (locations.services.credentials) and shown once."""

    class Admission(models.TextChoices):
        PENDING = "pending", _("Waiting for approval")
        ADMITTED = "admitted", _("In service")
        RETIRED = "retired", _("Out of service")

    class OcppVersion(models.TextChoices):
        V16 = "1.6", "OCPP 1.6J"
        V201 = "2.0.1", "OCPP 2.0.1"

    class SecurityProfile(models.IntegerChoices):
        NONE = 0, _("0 – no credentials")
        BASIC = 1, _("1 – password")
        BASIC_TLS = 2, _("2 – password over TLS")
        CERTIFICATE = 3, _("3 – client certificate")

    identity = models.CharField(
        _("identity"), max_length=48, help_text=_("Last part of the address the charge point connects to.")
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="charge_points", verbose_name=_("location")
    )
    model = models.ForeignKey(
        ChargePointModel, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("make and model")
    )
    admission = models.CharField(_("admission"), max_length=10, choices=Admission.choices, default=Admission.ADMITTED)
    ocpp_version = models.CharField(
        _("OCPP version"), max_length=5, choices=OcppVersion.choices, default=OcppVersion.V16
    )
    security_profile = models.PositiveSmallIntegerField(
        _("security profile"), choices=SecurityProfile.choices, default=SecurityProfile.BASIC
    )
    key_hmac = models.BinaryField(max_length=32, null=True, blank=True, editable=False)
    previous_key_hmac = models.BinaryField(max_length=32, null=True, blank=True, editable=False)
    serial_number = models.CharField(_("serial number"), max_length=50, blank=True)
    firmware_version = models.CharField(_("firmware"), max_length=50, blank=True)
    is_connected = models.BooleanField(_("connected"), default=False, editable=False)
    last_seen_at = models.DateTimeField(_("last seen"), null=True, blank=True, editable=False)
    last_boot_at = models.DateTimeField(_("last boot"), null=True, blank=True, editable=False)
    clock_offset_seconds = models.IntegerField(_("clock offset (s)"), default=0, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("charge point")
        verbose_name_plural = _("charge points")
        ordering = ["identity"]
        constraints = [models.UniqueConstraint(Upper("identity"), name="charge_point_identity_unique_any_case")]

    def __str__(self) -> str:
        return self.identity

    def clean(self) -> None:
        """A security profile is raised, never lowered: who holds a key could otherwise be told to forget TLS."""
        super().clean()
        before = ChargePoint.objects.filter(pk=self.pk).values_list("security_profile", flat=True).first()
        if before is not None and self.security_profile is not None and self.security_profile < before:
            raise ValidationError({"security_profile": _("A security profile can be raised, never lowered.")})


class Evse(models.Model):
    """An outlet that charges one vehicle at a time (OCPI EVSE)."""

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="evses", verbose_name=_("charge point")
    )
    number = models.PositiveSmallIntegerField(_("number"))

    class Meta:
        verbose_name = _("EVSE")
        verbose_name_plural = _("EVSEs")
        ordering = ["charge_point", "number"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "number"], name="evse_number_once_per_charge_point")
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} / {self.number}"


def new_connector_code() -> str:
    return new_code(8)


class Connector(models.Model):
    """A plug. `number` is its OCPP 1.6 connectorId, counted over the whole charge point; `code` is on its QR label."""

    class PowerType(models.TextChoices):
        AC = "AC", _("AC")
        DC = "DC", _("DC")

    class PowerClass(models.TextChoices):
        AC = "AC", _("AC")
        DC = "DC", _("DC")
        HPC = "HPC", _("High-power DC")

    class Status(models.TextChoices):
        AVAILABLE = "Available", _("Available")
        PREPARING = "Preparing", _("Preparing")
        CHARGING = "Charging", _("Charging")
        SUSPENDED_EVSE = "SuspendedEVSE", _("Paused by the charge point")
        SUSPENDED_EV = "SuspendedEV", _("Paused by the vehicle")
        FINISHING = "Finishing", _("Finishing")
        RESERVED = "Reserved", _("Reserved")
        UNAVAILABLE = "Unavailable", _("Unavailable")
        FAULTED = "Faulted", _("Out of order")
        UNKNOWN = "Unknown", _("Not reported yet")

    # Where a start can be asked for: free, or plugged in and waiting.
    READY_TO_START = frozenset({Status.AVAILABLE, Status.PREPARING, Status.FINISHING})

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="connectors", verbose_name=_("charge point")
    )
    evse = models.ForeignKey(Evse, on_delete=models.PROTECT, related_name="connectors", verbose_name=_("EVSE"))
    number = models.PositiveSmallIntegerField(_("connector number"))
    code = models.CharField(_("code on the label"), max_length=12, unique=True, default=new_connector_code)
    standard = models.CharField(_("plug"), max_length=30, default="IEC_62196_T2")
    power_type = models.CharField(_("current"), max_length=2, choices=PowerType.choices)
    max_power_w = models.PositiveIntegerField(_("rated power (W)"))
    power_class = models.GeneratedField(
        expression=models.Case(
            models.When(power_type="AC", then=models.Value("AC")),
            models.When(max_power_w__gte=150_000, then=models.Value("HPC")),
            default=models.Value("DC"),
        ),
        output_field=models.CharField(_("power class"), max_length=3, choices=PowerClass.choices),
        db_persist=True,
    )
    status = models.CharField(
        _("status"), max_length=15, choices=Status.choices, default=Status.UNKNOWN, editable=False
    )
    status_at = models.DateTimeField(_("status since"), null=True, blank=True, editable=False)
    error_code = models.CharField(_("error"), max_length=50, blank=True, editable=False)

    class Meta:
        verbose_name = _("connector")
        verbose_name_plural = _("connectors")
        ordering = ["charge_point", "number"]
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "number"], name="connector_number_once_per_charge_point"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="connector_number_from_one"),
            models.CheckConstraint(condition=models.Q(max_power_w__gt=0), name="connector_power_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point} · {self.number}"

    def is_status_older_than(self, moment: datetime) -> bool:
        """True when a status reported for `moment` would be news."""
        return self.status_at is None or self.status_at <= moment
