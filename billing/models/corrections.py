"""A tariff corrected as of a past moment: what it changes, who approved it, what sessions cost since it is known."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.cdrs import Cdr
from billing.models.ledger import amount_field
from billing.models.refunds import SessionRefund
from billing.models.sessions import ChargingSession
from tariffs.models import Tariff


class PriceCorrection(models.Model):
    """The price list a tariff should have had in [since, until); `created_at` is when that became known.

    Previewed session by session, approved by somebody else, then applied. Its terms never change: a wrong correction is
    rejected and another one made.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Being computed")
        PREVIEWED = "previewed", _("Waits for approval")
        APPROVED = "approved", _("Approved, being applied")
        APPLIED = "applied", _("Applied")
        REJECTED = "rejected", _("Rejected")

    TRANSITIONS = {
        State.DRAFT: {State.PREVIEWED, State.REJECTED},
        State.PREVIEWED: {State.APPROVED, State.REJECTED},
        State.APPROVED: {State.APPLIED},
        State.APPLIED: set[str](),
        State.REJECTED: set[str](),
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="corrections", verbose_name=_("tariff"))
    document = models.TextField(_("OCPI JSON"))
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=200)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("known since"), default=timezone.now, editable=False)
    previewed_at = models.DateTimeField(_("previewed at"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    applied_at = models.DateTimeField(_("applied at"), null=True, blank=True)

    class Meta:
        verbose_name = _("price correction")
        verbose_name_plural = _("price corrections")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(since__lt=models.F("until")), name="price_correction_span"),
            models.CheckConstraint(condition=~models.Q(reason=""), name="price_correction_has_its_reason"),
            models.CheckConstraint(
                condition=models.Q(state__in=["approved", "applied", "rejected"], decided_at__isnull=False)
                | models.Q(state__in=["draft", "previewed"], decided_at__isnull=True),
                name="price_correction_decided_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(state="applied", applied_at__isnull=False)
                | ~models.Q(state="applied") & models.Q(applied_at__isnull=True),
                name="price_correction_applied_has_its_moment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} #{self.pk}"


class SessionCorrection(models.Model):
    """What a correction makes of one session, frozen in the preview. Amounts are with VAT, in `currency`.

    `refund` is what goes back: the difference, as far as it was not given back before (`covered`).
    """

    class State(models.TextChoices):
        PLANNED = "planned", _("To be refunded")
        APPLIED = "applied", _("Refunded")
        UNCHANGED = "unchanged", _("Costs the same")
        WAIVED = "waived", _("Dearer, not charged")
        PROBLEM = "problem", _("Cannot be priced")
        FAILED = "failed", _("Changed since the preview")

    correction = models.ForeignKey(PriceCorrection, on_delete=models.PROTECT, related_name="sessions", db_index=False)
    charging_session = models.ForeignKey(
        ChargingSession, on_delete=models.PROTECT, related_name="corrections", verbose_name=_("session")
    )
    currency = models.CharField(_("currency"), max_length=3)
    old_gross = amount_field(_("billed"))
    new_gross = amount_field(_("corrected"), null=True, blank=True)
    refund = amount_field(_("to be refunded"), default=0)
    covered = amount_field(_("given back before"), default=0)
    rating_digest = models.CharField(max_length=64, blank=True)
    problem = models.CharField(_("problem"), max_length=40, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)

    class Meta:
        verbose_name = _("corrected session")
        verbose_name_plural = _("corrected sessions")
        ordering = ["correction_id", "charging_session_id"]
        constraints = [
            models.UniqueConstraint(fields=["correction", "charging_session"], name="session_correction_once"),
            models.CheckConstraint(
                condition=models.Q(refund__gte=0, covered__gte=0), name="session_correction_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(state="problem", new_gross__isnull=True) & ~models.Q(problem="")
                | ~models.Q(state="problem") & models.Q(new_gross__isnull=False),
                name="session_correction_priced_or_says_why",
            ),
        ]
        indexes = [
            # Applying goes through what is still planned.
            models.Index(fields=["correction"], condition=models.Q(state="planned"), name="session_correction_planned"),
        ]

    def __str__(self) -> str:
        return f"{self.correction_id} {self.charging_session_id}"


class CdrRevision(models.Model):
    """A Cdr as it is known since a correction. Append-only: the Cdr and every revision before it stay readable.

    Amounts in the Cdr's currency; `lines` and `vat_totals` are what they are on a Cdr.
    """

    cdr = models.ForeignKey(Cdr, on_delete=models.PROTECT, related_name="revisions", db_index=False)
    number = models.PositiveSmallIntegerField(_("revision"))
    session_correction = models.OneToOneField(SessionCorrection, on_delete=models.PROTECT, related_name="revision")
    # Empty when everything had been given back before.
    session_refund = models.OneToOneField(
        SessionRefund, on_delete=models.PROTECT, null=True, blank=True, related_name="revision"
    )
    net = amount_field(_("net"))
    vat = amount_field(_("VAT"))
    gross = amount_field(_("gross"))
    covered = amount_field(_("given back before"), default=0)
    vat_totals = models.JSONField(default=list)
    lines = models.JSONField(default=list)
    tariff_digest = models.CharField(max_length=64)
    rating_digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("known since"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("revised charge detail record")
        verbose_name_plural = _("revised charge detail records")
        ordering = ["cdr_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["cdr", "number"], name="cdr_revision_number_once"),
            models.CheckConstraint(condition=models.Q(gross__gte=0), name="cdr_revision_gross_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.cdr_id} r{self.number}"
