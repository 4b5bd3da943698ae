"""Disputes: a cardholder has asked the bank for a payment's money back."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import LedgerTransaction, amount_field
from billing.models.payments import Payment
from common.states import Transitions


class Dispute(models.Model):
    """One dispute of one payment, as the provider tells it, and what it moved in our books.

    `withdrawn` and `fee` are what the provider took from us when the dispute began, `reinstated` and `fee_returned`
    what came back of it; each pair is posted once, in `withdrawal` and `reinstatement`. What a lost dispute leaves is
    moved once, in `loss`, to where `lost_as` says. `problem` says what could not be booked; it is empty otherwise.
    """

    class Status(models.TextChoices):
        INQUIRY = "inquiry", _("The bank asks; nothing was withdrawn")
        INQUIRY_CLOSED = "inquiry_closed", _("The bank asks no longer")
        NEEDS_RESPONSE = "needs_response", _("Waits for our evidence")
        UNDER_REVIEW = "under_review", _("The bank decides")
        WON = "won", _("Won")
        LOST = "lost", _("Lost")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.INQUIRY: {
            Status.INQUIRY_CLOSED,
            Status.NEEDS_RESPONSE,
            Status.UNDER_REVIEW,
            Status.WON,
            Status.LOST,
        },
        # What a bank has asked about may still be disputed.
        Status.INQUIRY_CLOSED: {Status.NEEDS_RESPONSE, Status.UNDER_REVIEW, Status.WON, Status.LOST},
        Status.NEEDS_RESPONSE: {Status.UNDER_REVIEW, Status.WON, Status.LOST},
        Status.UNDER_REVIEW: {Status.WON, Status.LOST},
        Status.WON: (),
        Status.LOST: (),
    }
    OPEN = (Status.INQUIRY, Status.NEEDS_RESPONSE, Status.UNDER_REVIEW)

    class LostAs(models.TextChoices):
        RECEIVABLE = "receivable", _("The customer owes it again")
        LOSS = "loss", _("Written off as a loss")

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes", verbose_name=_("payment"))
    provider = models.CharField(_("provider"), max_length=20)
    provider_reference = models.CharField(_("provider's reference"), max_length=100)
    amount = amount_field(_("disputed amount"))
    reason = models.CharField(_("cardholder's reason"), max_length=60, blank=True)
    status = models.CharField(_("status"), max_length=14, choices=Status.choices)
    opened_at = models.DateTimeField(_("opened at"))
    evidence_due_at = models.DateTimeField(_("evidence due by"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    withdrawn = amount_field(_("withdrawn"), default=0)
    fee = amount_field(_("fee"), default=0)
    reinstated = amount_field(_("given back to us"), default=0)
    fee_returned = amount_field(_("fee given back"), default=0)
    lost_as = models.CharField(_("when lost"), max_length=10, choices=LostAs.choices, blank=True)
    problem = models.CharField(_("not booked because"), max_length=60, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("known since"), default=timezone.now, editable=False)
    withdrawal = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="disputed_in"
    )
    reinstatement = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="reinstated_by"
    )
    loss = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="lost_in"
    )

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_reference"], name="dispute_provider_reference_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="dispute_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(withdrawn=0, fee=0, withdrawal__isnull=True)
                | models.Q(withdrawn__gt=0, fee__gte=0, withdrawal__isnull=False),
                name="dispute_withdrawn_is_posted",
            ),
            models.CheckConstraint(
                condition=models.Q(reinstated=0, fee_returned=0, reinstatement__isnull=True)
                | models.Q(
                    reinstated__gt=0,
                    reinstated__lte=models.F("withdrawn"),
                    fee_returned__gte=0,
                    fee_returned__lte=models.F("fee"),
                    reinstatement__isnull=False,
                ),
                name="dispute_reinstated_is_posted",
            ),
            models.CheckConstraint(
                condition=models.Q(loss__isnull=True, lost_as="") | models.Q(loss__isnull=False, status="lost"),
                name="dispute_loss_is_of_a_lost_one",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["won", "lost", "inquiry_closed"], closed_at__isnull=False)
                | models.Q(status__in=["inquiry", "needs_response", "under_review"], closed_at__isnull=True),
                name="dispute_closed_has_its_moment",
            ),
        ]

    def __str__(self) -> str:
        return self.provider_reference
