"""What drivers were told by e-mail, or are about to be."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver
from billing.models.payments import Payment
from billing.models.sessions import ChargingSession
from billing.models.wallets import Hold
from common.states import Transitions


class DriverMail(models.Model):
    """One message to a driver, written down with what it tells of and sent by a task afterwards.

    `key` names the event, so one event is one mail. It is composed when it is sent, from what is true then; one that is
    no longer needed is dropped, and `note` says why. `sending` is a mail handed to the mail server whose answer is not
    written down yet: where the worker died there, nobody knows whether it arrived, and it is not sent a second time.
    """

    class Kind(models.TextChoices):
        RECEIPT = "receipt", _("Receipt")
        PAYMENT_FAILED = "payment_failed", _("Payment failed")
        ACTION_REQUIRED = "action_required", _("Confirmation needed")
        TOP_UP_FAILED = "top_up_failed", _("Top-up failed")
        AUTO_TOP_UP_STOPPED = "auto_top_up_stopped", _("Automatic top-up switched off")
        LOW_BALANCE = "low_balance", _("Low balance")
        HOLD_RELEASED = "hold_released", _("Held amount released")

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting to be sent")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        DROPPED = "dropped", _("Not needed any more")
        FAILED = "failed", _("Could not be sent")
        UNCLEAR = "unclear", _("Perhaps sent")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.QUEUED: {Status.SENDING, Status.DROPPED},
        Status.SENDING: {Status.SENT, Status.QUEUED, Status.FAILED, Status.UNCLEAR},
        Status.SENT: (),
        Status.DROPPED: (),
        Status.FAILED: (),
        Status.UNCLEAR: (),
    }

    key = models.CharField(_("key"), max_length=180, unique=True)
    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, related_name="mails", verbose_name=_("driver"), db_index=False
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    # What it is about, as its kind has it; a low balance is about the wallet alone.
    charging_session = models.ForeignKey(ChargingSession, on_delete=models.PROTECT, null=True, blank=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="mails")
    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, null=True, blank=True, related_name="mails")
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.QUEUED)
    note = models.CharField(_("note"), max_length=200, blank=True)
    # As it went out.
    address = models.EmailField(_("sent to"), blank=True)
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    class Meta:
        verbose_name = _("mail to a driver")
        verbose_name_plural = _("mails to drivers")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="sent", sent_at__isnull=False)
                | ~models.Q(status="sent") & models.Q(sent_at__isnull=True),
                name="driver_mail_sent_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(status="queued", next_attempt_at__isnull=False)
                | ~models.Q(status="queued") & models.Q(next_attempt_at__isnull=True),
                name="driver_mail_queued_has_its_moment",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="sending") | models.Q(claimed_at__isnull=False),
                name="driver_mail_sending_was_claimed",
            ),
        ]
        indexes = [
            # The sweep: mails whose task was lost, or that are to be tried again.
            models.Index(fields=["next_attempt_at"], condition=models.Q(status="queued"), name="driver_mail_to_send"),
            # The sweep: mails whose worker died while sending.
            models.Index(fields=["claimed_at"], condition=models.Q(status="sending"), name="driver_mail_being_sent"),
            # The customer's page, newest first.
            models.Index(fields=["driver", "-created_at"], name="driver_mail_by_driver"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.key}"
