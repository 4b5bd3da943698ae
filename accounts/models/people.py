"""Customers and partners."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class CustomerGroup(models.Model):
    """A group of customers tariffs are assigned to: individuals, fleets, private, public.

    A driver belongs to their own group, else to that of their contract's type; who charges without a contract belongs
    to the public group, if there is one.
    """

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    is_public = models.BooleanField(
        _("the public"), default=False, help_text=_("Whoever charges without a contract belongs to this group.")
    )

    class Meta:
        verbose_name = _("customer group")
        verbose_name_plural = _("customer groups")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_public"], condition=models.Q(is_public=True), name="customer_group_one_public"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Driver(models.Model):
    """A person who charges. May exist without a login (an RFID customer entered by an operator)."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        BLOCKED = "blocked", _("Blocked")
        CLOSED = "closed", _("Closed")

    TRANSITIONS = {
        Status.ACTIVE: {Status.BLOCKED, Status.CLOSED},
        Status.BLOCKED: {Status.ACTIVE, Status.CLOSED},
        Status.CLOSED: set[str](),
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="driver",
        verbose_name=_("login"),
    )
    name = models.CharField(_("name"), max_length=150)
    email = models.EmailField(_("e-mail address"), blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    address = models.CharField(_("street and number"), max_length=200, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    country = models.CharField(_("country"), max_length=2, default="DE", help_text=_("ISO 3166 code, two letters"))
    language = models.CharField(_("language"), max_length=5, default="en")
    # What nothing depends on may be switched off; what asks the driver to do something is always mailed.
    wants_receipts_by_mail = models.BooleanField(_("receipts by e-mail"), default=True)
    wants_notices_by_mail = models.BooleanField(
        _("notices by e-mail"), default=True, help_text=_("Low balance, released amounts.")
    )
    customer_group = models.ForeignKey(
        CustomerGroup,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("customer group"),
        help_text=_("Leave empty to use the group of the contract type."),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("driver")
        verbose_name_plural = _("drivers")
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=["active", "blocked", "closed"]), name="driver_status_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Partner(models.Model):
    """A company: corporate customer, host of charge points, or both."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=150)
    is_corporate_customer = models.BooleanField(_("corporate customer"), default=False)
    is_host = models.BooleanField(_("hosts charge points"), default=False)
    vat_id = models.CharField(_("VAT id"), max_length=20, blank=True)
    billing_email = models.EmailField(_("billing e-mail"), blank=True)
    address = models.CharField(_("street and number"), max_length=200, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    country = models.CharField(_("country"), max_length=2, default="DE")
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("partner")
        verbose_name_plural = _("partners")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class PartnerMember(models.Model):
    """A person's place at a partner: a manager sees it on the site, a driver charges under its cover."""

    class Role(models.TextChoices):
        MANAGER = "manager", _("Manager")
        DRIVER = "driver", _("Driver")

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="members", verbose_name=_("partner"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="partner_memberships",
        verbose_name=_("login"),
    )
    driver = models.ForeignKey(
        Driver,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="partner_memberships",
        verbose_name=_("driver"),
    )
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)
    cost_centre = models.CharField(_("cost centre"), max_length=50, blank=True)

    class Meta:
        verbose_name = _("partner member")
        verbose_name_plural = _("partner members")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role="manager", user__isnull=False) | models.Q(role="driver", driver__isnull=False),
                name="partner_member_role_has_its_person",
            ),
            models.UniqueConstraint(
                fields=["partner", "user"], condition=models.Q(role="manager"), name="partner_manager_once"
            ),
            models.UniqueConstraint(
                fields=["partner", "driver"], condition=models.Q(role="driver"), name="partner_driver_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.driver or self.user} – {self.partner}"
