"""Past sessions under another tariff version, computed in the background: how far it is, and what came of it."""

import uuid

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import amount_field
from billing.models.sessions import ChargingSession
from locations.models import Location
from tariffs.models import TariffVersion


class TariffReplay(models.Model):
    """One question: the billed sessions that began in [since, until), at `locations` (none: everywhere), priced by
    `version`. With `own_sessions_only` those alone that its tariff priced.

    `result` are the sums over the first `done_sessions` sessions, as `billing.domain.replay.replay_document` writes
    them; `reached_id` is the last of these. So a run that was lost goes on where it stopped.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Being computed")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    TRANSITIONS = {
        State.QUEUED: {State.RUNNING, State.FAILED, State.CANCELLED},
        State.RUNNING: {State.DONE, State.FAILED, State.CANCELLED},
        State.DONE: set[str](),
        State.FAILED: {State.QUEUED},
        State.CANCELLED: {State.QUEUED},
    }
    UNFINISHED = (State.QUEUED, State.RUNNING)

    # Given by the form it was asked with, so that a form sent twice asks once.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    version = models.ForeignKey(
        TariffVersion, on_delete=models.PROTECT, related_name="replays", verbose_name=_("tariff version")
    )
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    locations = models.ManyToManyField(Location, related_name="+", blank=True, verbose_name=_("locations"))
    own_sessions_only = models.BooleanField(_("only sessions this tariff priced"), default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("asked by")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    total_sessions = models.PositiveIntegerField(_("sessions"), default=0)
    done_sessions = models.PositiveIntegerField(_("done"), default=0)
    reached_id = models.PositiveIntegerField(default=0, editable=False)
    result = models.JSONField(_("result"), default=dict, encoder=DjangoJSONEncoder, editable=False)
    created_at = models.DateTimeField(_("asked at"), default=timezone.now, editable=False)
    progressed_at = models.DateTimeField(_("last progress at"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("tariff replay")
        verbose_name_plural = _("tariff replays")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(since__lt=models.F("until")), name="tariff_replay_span"),
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "running"], finished_at__isnull=True)
                | models.Q(state__in=["done", "failed", "cancelled"], finished_at__isnull=False),
                name="tariff_replay_finished_has_its_moment",
            ),
            models.UniqueConstraint(
                fields=["version"],
                condition=models.Q(state__in=["queued", "running"]),
                name="tariff_replay_of_a_version_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} #{self.pk}"


class ReplayedSession(models.Model):
    """One session of a replay: what it was billed and what it would have cost, with VAT, in `currency`.

    `location` and `customer_group` are the codes it was counted under.
    """

    replay = models.ForeignKey(TariffReplay, on_delete=models.CASCADE, related_name="sessions", db_index=False)
    charging_session = models.ForeignKey(
        ChargingSession, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("session")
    )
    location = models.CharField(_("location"), max_length=64)
    customer_group = models.CharField(_("customer group"), max_length=64, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    old_gross = amount_field(_("billed"))
    new_gross = amount_field(_("would cost"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=40, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("replayed session")
        verbose_name_plural = _("replayed sessions")
        ordering = ["replay_id", "charging_session_id"]
        constraints = [
            models.UniqueConstraint(fields=["replay", "charging_session"], name="replayed_session_once"),
            models.CheckConstraint(
                condition=models.Q(new_gross__isnull=True) & ~models.Q(problem="")
                | models.Q(new_gross__isnull=False, problem=""),
                name="replayed_session_priced_or_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.replay_id} {self.charging_session_id}"
