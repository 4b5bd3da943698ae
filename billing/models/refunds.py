"""Money given back: what was taken off a session's price, and what goes back through the payment provider."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.cdrs import Cdr, FundingLeg
from billing.models.ledger import LedgerTransaction, amount_field
from billing.models.payments import Payment
from common.states import Transitions


class SessionRefund(models.Model):
    """A part of a session's price that is no longer owed: revenue and VAT are reversed, the legs get it back.

    Append-only. Amounts are in the Cdr's currency; `vat_totals` as on the Cdr. What a card gets back follows as Refunds
    of its payments. A document of it is written by whoever asks for refunds that have none.
    """

    class Kind(models.TextChoices):
        REFUND = "refund", _("Refund")
        CORRECTION = "correction", _("Price correction")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    idempotency_key = models.CharField(_("key"), max_length=120, unique=True)
    cdr = models.ForeignKey(Cdr, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("session's price"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.REFUND)
    currency = models.CharField(_("currency"), max_length=3)
    net = amount_field(_("net"))
    vat = amount_field(_("VAT"))
    gross = amount_field(_("amount"))
    vat_totals = models.JSONField(default=list)
    reason = models.CharField(_("reason"), max_length=200)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    ledger_transaction = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, related_name="session_refund"
    )

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(gross__gt=0), name="session_refund_amount_positive"),
            models.CheckConstraint(condition=~models.Q(reason=""), name="session_refund_has_its_reason"),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class SessionRefundLeg(models.Model):
    """What one funding leg gets back: into its lot, on its card, off what is owed, or off the operator's expense."""

    session_refund = models.ForeignKey(SessionRefund, on_delete=models.PROTECT, related_name="legs", db_index=False)
    funding_leg = models.ForeignKey(FundingLeg, on_delete=models.PROTECT, related_name="refund_legs")
    amount = amount_field(_("amount"))
    # Whether the leg had been paid, so that money has to go back to somebody.
    was_paid = models.BooleanField(_("was paid"))

    class Meta:
        verbose_name = _("refunded leg")
        verbose_name_plural = _("refunded legs")
        ordering = ["session_refund", "-funding_leg__seq"]
        constraints = [
            models.UniqueConstraint(fields=["session_refund", "funding_leg"], name="session_refund_leg_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="session_refund_leg_amount_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.funding_leg_id} {self.amount}"


class Refund(models.Model):
    """One intent to give money back through a payment. One row, one idempotency key at the provider.

    `session_refund` is empty for money the provider took beyond what was owed. While it is open, `reread_at` says when
    the sweep asks the provider what became of it; open without that moment it is parked, and `failure_code` says why.
    A refund that failed is tried again as another row (`retry_of`); `next_attempt_at` stands on the latest only. Money
    that reached its owner another way in the end is a last row of its own, PAID_OUT.
    """

    class Status(models.TextChoices):
        CREATED = "created", _("Being sent")
        UNANSWERED = "unanswered", _("Sent, no answer yet")
        PENDING = "pending", _("On its way")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        PAID_OUT = "paid_out", _("Paid out another way")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.CREATED: {Status.UNANSWERED, Status.PENDING, Status.SUCCEEDED, Status.FAILED},
        Status.UNANSWERED: {Status.PENDING, Status.SUCCEEDED, Status.FAILED},
        Status.PENDING: {Status.SUCCEEDED, Status.FAILED},
        # The receiving bank may send the money back days later.
        Status.SUCCEEDED: {Status.FAILED},
        Status.FAILED: (),
        Status.PAID_OUT: (),
    }
    OPEN = (Status.CREATED, Status.UNANSWERED, Status.PENDING)

    idempotency_key = models.CharField(_("key"), max_length=120, unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("payment"))
    session_refund = models.ForeignKey(
        SessionRefund, on_delete=models.PROTECT, null=True, blank=True, related_name="card_refunds"
    )
    amount = amount_field(_("amount"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.CREATED)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    retry_of = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="retried_as", verbose_name=_("retry of")
    )
    provider_reference = models.CharField(_("provider's reference"), max_length=100, blank=True)
    failure_code = models.CharField(_("failure code"), max_length=60, blank=True)
    reason = models.CharField(_("reason"), max_length=200)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    reread_at = models.DateTimeField(_("ask the provider again"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    ledger_transaction = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="refund"
    )
    # Of one that succeeded and came back after all.
    return_transaction = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="returned_refund"
    )

    class Meta:
        verbose_name = _("card refund")
        verbose_name_plural = _("card refunds")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="refund_amount_positive"),
            models.UniqueConstraint(
                fields=["payment", "provider_reference"],
                condition=~models.Q(provider_reference=""),
                name="refund_provider_reference_once",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status__in=["succeeded", "paid_out"],
                    ledger_transaction__isnull=False,
                    return_transaction__isnull=True,
                )
                | models.Q(
                    status__in=["created", "unanswered", "pending"],
                    ledger_transaction__isnull=True,
                    return_transaction__isnull=True,
                )
                | models.Q(status="failed", ledger_transaction__isnull=True, return_transaction__isnull=True)
                | models.Q(status="failed", ledger_transaction__isnull=False, return_transaction__isnull=False),
                name="refund_given_is_posted",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["created", "unanswered", "pending"], finished_at__isnull=True)
                | models.Q(
                    status__in=["succeeded", "failed", "paid_out"], finished_at__isnull=False, reread_at__isnull=True
                ),
                name="refund_finished_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(attempt=1, retry_of__isnull=True) | models.Q(attempt__gt=1, retry_of__isnull=False),
                name="refund_retry_names_what_failed",
            ),
            models.CheckConstraint(
                condition=models.Q(next_attempt_at__isnull=True) | models.Q(status="failed"),
                name="refund_next_attempt_follows_a_failure",
            ),
        ]
        indexes = [
            # The sweep: refunds the provider is to be asked about, and failed ones whose next attempt is due.
            models.Index(fields=["reread_at"], condition=models.Q(reread_at__isnull=False), name="refund_to_reread"),
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(next_attempt_at__isnull=False), name="refund_retry_due"
            ),
        ]

    def __str__(self) -> str:
        return self.idempotency_key
