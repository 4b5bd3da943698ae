"""The command queue: what we ask stations to do."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models import ChargingSession
from locations.models import ChargePoint


class Command(models.Model):
    """One request to a station, written by any process and sent by the one that holds the station's socket.

    At most one is in flight per charge point. `expires_at` is when a command that was not sent is given up;
    `answer_due_at` when one that was sent is.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting to be sent")
        SENT = "sent", _("Sent, waiting for the answer")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected by the charge point")
        TIMED_OUT = "timed_out", _("No answer")
        EXPIRED = "expired", _("Not sent in time")

    TRANSITIONS = {
        Status.QUEUED: {Status.SENT, Status.EXPIRED},
        # Back to queued: an action that may be repeated got no answer.
        Status.SENT: {Status.ACCEPTED, Status.REJECTED, Status.TIMED_OUT, Status.QUEUED},
        Status.ACCEPTED: set[str](),
        Status.REJECTED: set[str](),
        Status.TIMED_OUT: set[str](),
        Status.EXPIRED: set[str](),
    }

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="commands", verbose_name=_("charge point")
    )
    ocpp_version = models.CharField(
        _("OCPP version"), max_length=5, choices=ChargePoint.OcppVersion.choices, default=ChargePoint.OcppVersion.V16
    )
    action = models.CharField(_("action"), max_length=50)
    payload = models.JSONField(_("content"), default=dict)
    charging_session = models.ForeignKey(
        ChargingSession,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="commands",
        verbose_name=_("charging session"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty when the system acted by itself."),
    )
    idempotency_key = models.CharField(max_length=100, unique=True, null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)
    created_at = models.DateTimeField(_("queued at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("send before"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True, editable=False)
    answer_due_at = models.DateTimeField(_("answer due by"), null=True, blank=True, editable=False)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    unique_id = models.CharField(_("message id"), max_length=36, blank=True, editable=False)
    response = models.JSONField(_("answer"), null=True, blank=True, editable=False)
    error_code = models.CharField(_("error"), max_length=50, blank=True, editable=False)

    class Meta:
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="queued", sent_at__isnull=True, resolved_at__isnull=True)
                | models.Q(status="sent", sent_at__isnull=False, answer_due_at__isnull=False, resolved_at__isnull=True)
                | models.Q(
                    status__in=["accepted", "rejected", "timed_out"], sent_at__isnull=False, resolved_at__isnull=False
                )
                | models.Q(status="expired", sent_at__isnull=True, resolved_at__isnull=False),
                name="command_status_has_its_moments",
            ),
            models.UniqueConstraint(
                fields=["charge_point"], condition=models.Q(status="sent"), name="command_one_in_flight_per_point"
            ),
            models.UniqueConstraint(
                fields=["charging_session", "action"],
                condition=models.Q(status__in=["queued", "sent"]),
                name="command_open_once_per_session",
            ),
        ]
        indexes = [
            # The poll of every gateway process: what is open, oldest first.
            models.Index(
                fields=["charge_point", "id"],
                condition=models.Q(status__in=["queued", "sent"]),
                name="command_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.charge_point}"
