"""Automatic top-ups: what a driver agreed to be charged when the wallet runs low."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver
from billing.models.ledger import amount_field
from common.states import Transitions


class AutoTopUp(models.Model):
    """A driver's consent: when the wallet falls below `threshold`, `amount` is charged to the card used first.

    At most `max_per_day` and `max_per_month` are charged that way, by days and months of the network's time zone.
    `failures` counts those in a row; the second switches it off. Until `next_attempt_at` nothing is tried: after a
    failure, or when a maximum is reached. One row per wallet; giving the consent again changes it, and the audit trail
    keeps each sentence that was agreed to.
    """

    class Status(models.TextChoices):
        ON = "on", _("On")
        PAUSED = "paused", _("Paused by the driver")
        STOPPED = "stopped", _("Switched off")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.ON: {Status.PAUSED, Status.STOPPED},
        Status.PAUSED: {Status.ON, Status.STOPPED},
        Status.STOPPED: {Status.ON},
    }

    class StopReason(models.TextChoices):
        FAILED_TWICE = "failed_twice", _("Two top-ups failed in a row")
        NO_CARD = "no_card", _("There is no usable card")
        WALLET_CLOSED = "wallet_closed", _("The wallet was closed")

    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, related_name="auto_top_ups", verbose_name=_("driver"), db_index=False
    )
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=7, choices=Status.choices, default=Status.ON)
    threshold = amount_field(_("when the balance is below"))
    amount = amount_field(_("amount"))
    max_per_day = amount_field(_("at most per day"))
    max_per_month = amount_field(_("at most per month"))
    failures = models.PositiveSmallIntegerField(_("failures in a row"), default=0)
    next_attempt_at = models.DateTimeField(_("not before"), null=True, blank=True)
    stop_reason = models.CharField(_("switched off because"), max_length=14, choices=StopReason.choices, blank=True)
    stopped_at = models.DateTimeField(_("switched off at"), null=True, blank=True)
    created_at = models.DateTimeField(_("first agreed at"), default=timezone.now, editable=False)
    consented_at = models.DateTimeField(_("agreed at"), default=timezone.now)

    class Meta:
        verbose_name = _("automatic top-up")
        verbose_name_plural = _("automatic top-ups")
        ordering = ["driver", "currency"]
        constraints = [
            models.UniqueConstraint(fields=["driver", "currency"], name="auto_top_up_one_per_wallet"),
            models.CheckConstraint(
                condition=models.Q(
                    threshold__gte=0,
                    amount__gt=0,
                    max_per_day__gte=models.F("amount"),
                    max_per_month__gte=models.F("max_per_day"),
                ),
                name="auto_top_up_amounts_fit",
            ),
            models.CheckConstraint(
                condition=models.Q(status="stopped", stopped_at__isnull=False) & ~models.Q(stop_reason="")
                | ~models.Q(status="stopped") & models.Q(stopped_at__isnull=True, stop_reason=""),
                name="auto_top_up_stopped_says_why",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="on") | models.Q(failures__lt=2), name="auto_top_up_on_has_not_failed_twice"
            ),
        ]
        indexes = [
            # The sweep: wallets to be looked at.
            models.Index(fields=["driver"], condition=models.Q(status="on"), name="auto_top_up_on"),
        ]

    def __str__(self) -> str:
        return f"{self.driver}: {self.amount} {self.currency}"
