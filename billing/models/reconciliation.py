"""Comparing our books with the provider's: the runs, and what they found."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.disputes import Dispute
from billing.models.ledger import amount_field
from billing.models.payments import Payment
from billing.models.refunds import Refund
from billing.models.wallets import Hold


class Reconciliation(models.Model):
    """One comparison of everything made from `since` on and before `until`, on both sides.

    It goes forward in slices of time; `done_until` is how far it has come, so that it is taken up where it stopped.
    """

    provider = models.CharField(_("provider"), max_length=20)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    done_until = models.DateTimeField(_("compared until"))
    checked = models.PositiveIntegerField(_("compared"), default=0)
    found = models.PositiveIntegerField(_("differences"), default=0)
    started_at = models.DateTimeField(_("started at"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("reconciliation")
        verbose_name_plural = _("reconciliations")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    since__lt=models.F("until"),
                    done_until__gte=models.F("since"),
                    done_until__lte=models.F("until"),
                ),
                name="reconciliation_goes_forward",
            ),
            models.CheckConstraint(
                condition=models.Q(finished_at__isnull=True) | models.Q(done_until=models.F("until")),
                name="reconciliation_finished_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.since:%Y-%m-%d %H:%M} – {self.until:%Y-%m-%d %H:%M}"


class Discrepancy(models.Model):
    """Something our books and the provider tell differently: a piece of work until somebody or a later look settles it.

    One row per thing and kind of difference, however often it is found. `reference` is the provider's, or our key where
    the provider never gave one. Found again after it was explained or given back with the same facts, it stays settled.
    """

    class Subject(models.TextChoices):
        PAYMENT = "payment", _("Payment")
        HOLD = "hold", _("Hold")
        REFUND = "refund", _("Refund")
        DISPUTE = "dispute", _("Dispute")

    class Kind(models.TextChoices):
        MISSING_HERE = "missing_here", _("Unknown to us")
        MISSING_THERE = "missing_there", _("Unknown to the provider")
        AMOUNT_DIFFERS = "amount_differs", _("Another amount")
        STATE_DIFFERS = "state_differs", _("Another state")
        ORPHAN_HOLD = "orphan_hold", _("Held for nothing")
        DUPLICATE_CHARGE = "duplicate_charge", _("Charged twice")

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        AGREED = "agreed", _("Agrees by now")
        ADOPTED = "adopted", _("Taken over from the provider")
        REFUNDED = "refunded", _("Given back")
        RELEASED = "released", _("Let go")
        EXPLAINED = "explained", _("Explained")

    provider = models.CharField(_("provider"), max_length=20)
    subject = models.CharField(_("about"), max_length=8, choices=Subject.choices)
    kind = models.CharField(_("difference"), max_length=16, choices=Kind.choices)
    reference = models.CharField(_("reference"), max_length=120)
    payment = models.ForeignKey(
        Payment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="discrepancies",
        verbose_name=_("payment"),
    )
    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, null=True, blank=True, related_name="discrepancies")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="discrepancies")
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, null=True, blank=True, related_name="discrepancies")
    our_state = models.CharField(_("we say"), max_length=20, blank=True)
    our_amount = amount_field(_("our amount"), null=True, blank=True)
    their_state = models.CharField(_("the provider says"), max_length=20, blank=True)
    their_amount = amount_field(_("the provider's amount"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.OPEN)
    found_by = models.ForeignKey(
        Reconciliation, on_delete=models.PROTECT, related_name="discrepancies", verbose_name=_("found by")
    )
    found_at = models.DateTimeField(_("found at"), default=timezone.now, editable=False)
    seen_at = models.DateTimeField(_("seen last"))
    resolved_at = models.DateTimeField(_("settled at"), null=True, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("difference with the payment provider")
        verbose_name_plural = _("differences with the payment provider")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "subject", "reference", "kind"], name="discrepancy_once_per_thing"
            ),
            models.CheckConstraint(
                condition=models.Q(status="open", resolved_at__isnull=True)
                | (~models.Q(status="open") & models.Q(resolved_at__isnull=False)),
                name="discrepancy_settled_has_its_moment",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="explained") | ~models.Q(reason=""),
                name="discrepancy_explained_has_its_reason",
            ),
        ]
        indexes = [
            # The work queue.
            models.Index(fields=["found_at"], condition=models.Q(status="open"), name="discrepancy_open"),
        ]

    def __str__(self) -> str:
        return self.reference
