"""Charging sessions: our record of a station's transaction, while open and until it is settled."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Contract, ContractType, Driver, Token
from billing.models.ledger import amount_field
from billing.models.open_access import OpenAccess
from locations.models import ChargePoint, Connector
from tariffs.models import TariffAssignment, TariffVersion


class ChargingSession(models.Model):
    """One stay at one connector.

    The integer primary key is the OCPP 1.6 transactionId (1 .. 2^31-1, unique over all charge points); a station that
    numbers its transactions itself (OCPP 2.0.1) has its own in `station_transaction_id`. `public_id` is for links and
    keys. Three independent questions, three columns: `status` (what the station does), `outcome` (has it
    become a Cdr) and `payment_status` (has it been paid).
    """

    class Status(models.TextChoices):
        REQUESTED = "requested", _("Waiting for the charge point")
        ACTIVE = "active", _("Charging")
        FINISHING = "finishing", _("Finished, vehicle still connected")
        ENDED = "ended", _("Ended")
        CANCELLED = "cancelled", _("Never started")

    TRANSITIONS = {
        Status.REQUESTED: {Status.ACTIVE, Status.CANCELLED},
        Status.ACTIVE: {Status.FINISHING, Status.ENDED},
        Status.FINISHING: {Status.ENDED},
        Status.ENDED: set[str](),
        Status.CANCELLED: set[str](),
    }

    class Outcome(models.TextChoices):
        PENDING = "pending", _("Not settled yet")
        BILLED = "billed", _("Billed")
        FREE = "free", _("Free by rule")
        IN_REVIEW = "in_review", _("Waiting for a decision")
        DISCARDED = "discarded", _("Discarded by an operator")

    OUTCOME_TRANSITIONS = {
        Outcome.PENDING: {Outcome.BILLED, Outcome.FREE, Outcome.IN_REVIEW},
        Outcome.IN_REVIEW: {Outcome.PENDING, Outcome.BILLED, Outcome.FREE, Outcome.DISCARDED},
        Outcome.BILLED: set[str](),
        Outcome.FREE: set[str](),
        Outcome.DISCARDED: set[str](),
    }

    class PaymentStatus(models.TextChoices):
        NOTHING_DUE = "nothing_due", _("Nothing due")
        DUE = "due", _("Due")
        PARTIALLY_PAID = "partially_paid", _("Partly paid")
        PAID = "paid", _("Paid")

    class Channel(models.TextChoices):
        RFID = "rfid", _("RFID card")
        APP = "app", _("App or site")
        AD_HOC = "ad_hoc", _("Ad hoc")

    id = models.AutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Foreign keys without an index of their own are never looked up, or lead an index below.
    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="charging_sessions", db_index=False
    )
    connector = models.ForeignKey(
        Connector, on_delete=models.PROTECT, null=True, blank=True, related_name="charging_sessions"
    )
    # As the station numbered it; `connector` is empty where the network knows no such connector.
    connector_number = models.PositiveIntegerField(null=True, blank=True, editable=False)
    # The transactionId of a station that gives its own (OCPP 2.0.1); empty while only requested, and for OCPP 1.6.
    station_transaction_id = models.CharField(_("transaction id of the charge point"), max_length=36, blank=True)
    # Who: all empty when an unknown tag was reported; such a session is parked.
    id_tag = models.CharField(_("id tag"), max_length=36, blank=True)
    token = models.ForeignKey(
        Token, on_delete=models.PROTECT, null=True, blank=True, related_name="charging_sessions", db_index=False
    )
    driver = models.ForeignKey(
        Driver, on_delete=models.PROTECT, null=True, blank=True, related_name="charging_sessions", db_index=False
    )
    contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, null=True, blank=True, related_name="charging_sessions", db_index=False
    )
    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices, default=Channel.RFID)

    # Free for whoever came, by this; what it would have cost is the operator's.
    open_access = models.ForeignKey(
        OpenAccess,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="charging_sessions",
        verbose_name=_("open access"),
    )

    # What it costs: frozen when the session was authorised; later edits of a tariff never reach it.
    tariff_version = models.ForeignKey(
        TariffVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="charging_sessions", db_index=False
    )
    tariff_digest = models.CharField(max_length=64, blank=True)
    tariff_assignment = models.ForeignKey(
        TariffAssignment, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    tariff_trace = models.JSONField(_("why this tariff"), default=list, blank=True)
    # Market prices and the month's energy, where the tariff's price depends on them (tariffs.domain.frozen).
    rating_inputs = models.JSONField(default=dict, blank=True, editable=False)
    currency = models.CharField(max_length=3, blank=True)
    vat_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    # What the contract type said of the wallet when it began; empty for sessions from before that was kept.
    wallet_use = models.CharField(
        max_length=12, choices=ContractType.WalletUse.choices, blank=True, default="", editable=False
    )
    # What is available to pay for it while it runs; empty: no limit (post-paid).
    spend_limit = amount_field(_("spend limit"), null=True, blank=True)

    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.PENDING)
    payment_status = models.CharField(
        _("payment"), max_length=15, choices=PaymentStatus.choices, default=PaymentStatus.NOTHING_DUE
    )
    free_rule = models.CharField(_("free because"), max_length=40, blank=True)
    review_reason = models.CharField(_("in review because"), max_length=40, blank=True)
    review_note = models.TextField(_("what was seen"), blank=True)
    # The session this one was the other half of: it is billed there.
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged", editable=False
    )

    requested_at = models.DateTimeField(_("requested at"), null=True, blank=True)
    start_deadline_at = models.DateTimeField(_("must start by"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    # What the station said, to the second: a repeated start is recognised by it even when our clock correction moved.
    start_reported_at = models.DateTimeField(null=True, blank=True, editable=False)
    start_received_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What the start report said, likewise: an operator may correct `meter_start_wh`.
    meter_start_reported_wh = models.DecimalField(
        max_digits=18, decimal_places=4, null=True, blank=True, editable=False
    )
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True)
    # What the first stop report said, believed or not: a repeated stop is recognised by it.
    stop_reported_at = models.DateTimeField(null=True, blank=True, editable=False)
    meter_stop_reported_wh = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    stop_reason = models.CharField(_("stop reason"), max_length=30, blank=True)
    meter_start_wh = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    meter_stop_wh = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)

    # Live values, refreshed by every meter value; the Cdr is computed from the timeline, never from these.
    energy_wh = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    power_w = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    soc_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    live_gross = amount_field(_("cost so far"), default=0)
    live_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    stop_request_reason = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("charging session")
        verbose_name_plural = _("charging sessions")
        ordering = ["-pk"]
        constraints = [
            # A StartTransaction repeated under any message id is the same start.
            models.UniqueConstraint(
                fields=[
                    "charge_point",
                    "connector_number",
                    "id_tag",
                    "start_reported_at",
                    "meter_start_reported_wh",
                    "station_transaction_id",
                ],
                name="session_once_per_start_report",
            ),
            # A transaction that its station names is one session, however often it is reported.
            models.UniqueConstraint(
                fields=["charge_point", "station_transaction_id"],
                condition=~models.Q(station_transaction_id=""),
                name="session_once_per_station_transaction",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["requested", "cancelled"], started_at__isnull=True)
                | models.Q(status__in=["active", "finishing", "ended"], started_at__isnull=False),
                name="session_started_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(status="ended", ended_at__isnull=False)
                | ~models.Q(status="ended") & models.Q(ended_at__isnull=True),
                name="session_ended_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(outcome="free") & ~models.Q(free_rule="")
                | ~models.Q(outcome="free") & models.Q(free_rule=""),
                name="session_free_names_its_rule",
            ),
            models.CheckConstraint(
                condition=models.Q(merged_into__isnull=True) | models.Q(outcome="discarded"),
                name="session_merged_is_not_billed",
            ),
            models.CheckConstraint(
                condition=~models.Q(outcome="in_review") | ~models.Q(review_reason=""),
                name="session_in_review_names_its_reason",
            ),
            models.CheckConstraint(
                condition=~models.Q(outcome__in=["billed", "free"]) | models.Q(status="ended"),
                name="session_settled_only_when_ended",
            ),
            models.CheckConstraint(
                condition=models.Q(id__gte=1, id__lte=2_147_483_647), name="session_id_fits_ocpp_transaction_id"
            ),
        ]
        indexes = [
            # The running or requested session of a connector.
            models.Index(
                fields=["charge_point", "connector"],
                condition=models.Q(status__in=["requested", "active", "finishing"]),
                name="session_open_by_connector",
            ),
            # Every round of a gateway: requests to be sent or cancelled, and sessions to be stopped.
            models.Index(
                fields=["start_deadline_at"], condition=models.Q(status="requested"), name="session_requested"
            ),
            models.Index(
                fields=["stop_requested_at"],
                condition=models.Q(status="active", stop_requested_at__isnull=False),
                name="session_to_stop",
            ),
            # The sweep: ended, not settled.
            models.Index(
                fields=["ended_at"], condition=models.Q(status="ended", outcome="pending"), name="session_unsettled"
            ),
            # The driver's list, newest first.
            models.Index(fields=["driver", "-started_at"], name="session_by_driver"),
            # The review queue.
            models.Index(fields=["created_at"], condition=models.Q(outcome="in_review"), name="session_in_review"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class MeterValue(models.Model):
    """One sample of one measurand. Resent samples are dropped by the unique constraint.

    `value` is normalised: Wh, W, A, V, percent. `occurred_at` is the station's clock corrected by the offset learnt at
    boot; `reported_at` is what it said; `received_at` is ours.
    """

    class Measurand(models.TextChoices):
        ENERGY = "energy_wh", _("Energy register")
        POWER = "power_w", _("Power")
        CURRENT = "current_a", _("Current")
        VOLTAGE = "voltage_v", _("Voltage")
        SOC = "soc_percent", _("State of charge")
        # Not measured but reported: 1 while the vehicle draws or waits for power, 0 while it requests none.
        CHARGING = "charging", _("Vehicle requests power")

    charging_session = models.ForeignKey(ChargingSession, on_delete=models.PROTECT, related_name="meter_values")
    occurred_at = models.DateTimeField()
    reported_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    measurand = models.CharField(max_length=12, choices=Measurand.choices)
    phase = models.CharField(max_length=8, blank=True)
    context = models.CharField(max_length=24, blank=True)
    value = models.DecimalField(max_digits=18, decimal_places=4)

    class Meta:
        verbose_name = _("meter value")
        verbose_name_plural = _("meter values")
        ordering = ["occurred_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["charging_session", "reported_at", "measurand", "phase", "context"], name="meter_value_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.measurand} {self.value}"
