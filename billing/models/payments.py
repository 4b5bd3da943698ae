"""Payment methods, payments and what the provider told us. Card data never touches us: references only."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver
from billing.models.ledger import LedgerTransaction, amount_field
from common.states import Transitions


class PaymentMethod(models.Model):
    """A card the provider keeps for a driver; or, for as long as it takes, for one session without an account."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Usable")
        REFUSED = "refused", _("Refused for good by the bank")
        REMOVED = "removed", _("Removed")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.ACTIVE: {Status.REFUSED, Status.REMOVED},
        Status.REFUSED: {Status.REMOVED},
        Status.REMOVED: (),
    }

    driver = models.ForeignKey(
        Driver,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payment_methods",
        verbose_name=_("driver"),
    )
    ad_hoc = models.OneToOneField(
        "billing.AdHocSession",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="method",
        verbose_name=_("ad hoc session"),
    )
    provider = models.CharField(_("provider"), max_length=20)
    provider_customer = models.CharField(max_length=100, blank=True)
    provider_reference = models.CharField(max_length=100)
    brand = models.CharField(_("brand"), max_length=20, blank=True)
    last4 = models.CharField(_("last four digits"), max_length=4, blank=True)
    expires_on = models.DateField(_("expires on"), null=True, blank=True)
    is_default = models.BooleanField(_("used first"), default=False)
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("payment method")
        verbose_name_plural = _("payment methods")
        ordering = ["driver", "-is_default", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_reference"], name="payment_method_once"),
            models.UniqueConstraint(
                fields=["driver"], condition=models.Q(is_default=True), name="payment_method_one_default_per_driver"
            ),
            models.CheckConstraint(
                condition=models.Q(is_default=False) | models.Q(status="active"),
                name="payment_method_default_is_usable",
            ),
            models.CheckConstraint(
                condition=models.Q(driver__isnull=False, ad_hoc__isnull=True)
                | models.Q(driver__isnull=True, ad_hoc__isnull=False, is_default=False),
                name="payment_method_is_a_drivers_or_ad_hoc",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.brand.title()} •{self.last4}" if self.last4 else self.provider_reference


class Payment(models.Model):
    """One intent to move money from a card, a driver's or an ad hoc payer's. One row, one idempotency key at the
    provider, many webhooks.

    Several attempts to collect one funding leg are several payments (`attempt` counts them), of which at most one is
    open. While it is open, `reread_at` says when the sweep asks the provider what became of it; an open payment without
    that moment is parked, and `decline_code` says why. `next_attempt_at` stands on the leg's latest payment only.
    """

    class Purpose(models.TextChoices):
        SESSION = "session", _("Charging session")
        TOP_UP = "top_up", _("Wallet top-up")

    class Status(models.TextChoices):
        CREATED = "created", _("Being sent")
        UNANSWERED = "unanswered", _("Sent, no answer yet")
        REQUIRES_ACTION = "requires_action", _("Needs the driver's confirmation")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.CREATED: {Status.UNANSWERED, Status.REQUIRES_ACTION, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED},
        Status.UNANSWERED: {Status.REQUIRES_ACTION, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED},
        Status.REQUIRES_ACTION: {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED},
        # A provider may report success after a failure it announced first (late webhooks).
        Status.FAILED: {Status.SUCCEEDED},
        Status.SUCCEEDED: (),
        Status.CANCELLED: {Status.SUCCEEDED},
    }
    OPEN = (Status.CREATED, Status.UNANSWERED, Status.REQUIRES_ACTION)

    class DeclineClass(models.TextChoices):
        NONE = "", _("None")
        SOFT = "soft", _("Temporary: will be tried again")
        HARD = "hard", _("Final: this card will not be used again")
        SCA = "sca", _("The bank wants the driver's confirmation")
        PROVIDER = "provider", _("Payment provider not reachable")

    idempotency_key = models.CharField(_("key"), max_length=120, unique=True)
    # Empty where somebody without an account pays.
    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, null=True, blank=True, related_name="payments", verbose_name=_("driver")
    )
    purpose = models.CharField(_("purpose"), max_length=8, choices=Purpose.choices)
    funding_leg = models.ForeignKey(
        "billing.FundingLeg", on_delete=models.PROTECT, null=True, blank=True, related_name="payments"
    )
    method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, null=True, blank=True, related_name="payments", verbose_name=_("card")
    )
    provider = models.CharField(_("provider"), max_length=20)
    provider_reference = models.CharField(_("provider's reference"), max_length=100, blank=True)
    amount = amount_field(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    # What its refunds gave back or are about to; a refund that failed no longer counts.
    refunded = amount_field(_("given back"), default=0, db_default=0)
    is_automatic = models.BooleanField(_("automatic"), default=False, db_default=False)
    status = models.CharField(_("status"), max_length=16, choices=Status.choices, default=Status.CREATED)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    decline_class = models.CharField(_("decline class"), max_length=10, choices=DeclineClass.choices, blank=True)
    decline_code = models.CharField(_("decline code"), max_length=60, blank=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    action_url = models.URLField(_("confirmation page"), max_length=2000, blank=True)
    reread_at = models.DateTimeField(_("ask the provider again"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    ledger_transaction = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="payment"
    )

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(refunded=0)
                | models.Q(status="succeeded", refunded__gt=0, refunded__lte=models.F("amount")),
                name="payment_refunded_within_amount",
            ),
            models.UniqueConstraint(
                fields=["provider", "provider_reference"],
                condition=~models.Q(provider_reference=""),
                name="payment_provider_reference_once",
            ),
            models.CheckConstraint(
                condition=models.Q(status="succeeded", ledger_transaction__isnull=False)
                | ~models.Q(status="succeeded") & models.Q(ledger_transaction__isnull=True),
                name="payment_succeeded_is_posted",
            ),
            models.CheckConstraint(
                condition=~models.Q(purpose="session") | models.Q(funding_leg__isnull=False),
                name="payment_for_session_names_its_leg",
            ),
            models.CheckConstraint(
                condition=models.Q(driver__isnull=False) | models.Q(purpose="session"),
                name="payment_of_nobody_is_for_a_session",
            ),
            # Whatever else goes wrong, no leg is being charged twice at once.
            models.UniqueConstraint(
                fields=["funding_leg"],
                condition=models.Q(status__in=["created", "unanswered", "requires_action"]),
                name="payment_one_open_per_leg",
            ),
            models.CheckConstraint(
                condition=models.Q(is_automatic=False) | models.Q(purpose="top_up"),
                name="payment_automatic_is_a_top_up",
            ),
            models.UniqueConstraint(fields=["funding_leg", "attempt"], name="payment_attempt_once_per_leg"),
            # Two tabs, or the driver and the automatic top-up at once: one card payment at a time.
            models.UniqueConstraint(
                fields=["driver"],
                condition=models.Q(purpose="top_up", status__in=["created", "unanswered", "requires_action"]),
                name="payment_one_open_top_up_per_driver",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["created", "unanswered", "requires_action"], finished_at__isnull=True)
                | models.Q(
                    status__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False, reread_at__isnull=True
                ),
                name="payment_finished_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(next_attempt_at__isnull=True) | models.Q(status__in=["failed", "cancelled"]),
                name="payment_next_attempt_follows_a_failure",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="requires_action") | ~models.Q(action_url=""),
                name="payment_action_has_its_page",
            ),
        ]
        indexes = [
            # The sweep: payments the provider is to be asked about.
            models.Index(fields=["reread_at"], condition=models.Q(reread_at__isnull=False), name="payment_to_reread"),
            # The sweep: legs whose next attempt is due.
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(next_attempt_at__isnull=False), name="payment_retry_due"
            ),
            # What was topped up by itself in a day and a month.
            models.Index(
                fields=["driver", "created_at"], condition=models.Q(is_automatic=True), name="payment_automatic"
            ),
            # A driver's payments, newest first.
            models.Index(fields=["driver", "-created_at"], name="payment_by_driver"),
        ]

    def __str__(self) -> str:
        return self.idempotency_key


class ProviderEvent(models.Model):
    """A verified webhook, stored before it is worked on. The same event twice is one row.

    It only says that something happened to `provider_reference`; what is true now is asked of the provider.
    """

    class Subject(models.TextChoices):
        PAYMENT = "payment", _("Payment")
        SETUP = "setup", _("Card being saved")
        REFUND = "refund", _("Refund")
        DISPUTE = "dispute", _("Dispute")
        OTHER = "other", _("Something else")

    provider = models.CharField(_("provider"), max_length=20)
    event_id = models.CharField(_("event"), max_length=100)
    kind = models.CharField(_("kind"), max_length=60)
    subject = models.CharField(_("about"), max_length=8, choices=Subject.choices)
    provider_reference = models.CharField(_("provider's reference"), max_length=100, blank=True)
    payload = models.JSONField(_("content"))
    received_at = models.DateTimeField(_("received at"), default=timezone.now, editable=False)
    processed_at = models.DateTimeField(_("processed at"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("provider event")
        verbose_name_plural = _("provider events")
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="provider_event_once")]
        indexes = [
            # The sweep: events stored but not worked on.
            models.Index(
                fields=["received_at"], condition=models.Q(processed_at__isnull=True), name="provider_event_open"
            ),
        ]

    def __str__(self) -> str:
        return self.event_id
