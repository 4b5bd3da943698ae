"""Transactions that stations number and report event by event (OCPP 2.0.1)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import ChargePoint


class StationTransaction(models.Model):
    """What a station has told about one of its transactions, until nothing more can come; then it is pruned.

    Events are told to billing in the order of their numbers. `told_through` is the highest number told;
    `waiting_since` is set while an event waits for one before it. `waits_for_gaps` turns False once a gap was given up:
    such a station does not count as it should, and is not waited for again. The session it became is the one with this
    `station_transaction_id`; there is none while nobody has shown a token.
    """

    charge_point = models.ForeignKey(
        ChargePoint, on_delete=models.PROTECT, related_name="station_transactions", verbose_name=_("charge point")
    )
    transaction_id = models.CharField(_("transaction"), max_length=36)
    # What the events have said so far; the first who says something is believed.
    id_tag = models.CharField(max_length=36, blank=True)
    evse_number = models.BigIntegerField(null=True, blank=True)
    connector_number = models.BigIntegerField(null=True, blank=True)
    remote_start_id = models.BigIntegerField(null=True, blank=True)
    has_start = models.BooleanField(default=False)
    has_charged = models.BooleanField(default=False)
    # Before a session began: the first moment and energy register told, and the last register.
    began_at = models.DateTimeField(null=True, blank=True)
    began_reported_at = models.DateTimeField(null=True, blank=True)
    begin_wh = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    register_wh = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    told_through = models.BigIntegerField(null=True, blank=True)
    waits_for_gaps = models.BooleanField(default=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    changed_at = models.DateTimeField(_("last event"))

    class Meta:
        verbose_name = _("transaction of a charge point")
        verbose_name_plural = _("transactions of charge points")
        constraints = [
            models.UniqueConstraint(fields=["charge_point", "transaction_id"], name="station_transaction_once"),
        ]
        indexes = [
            # The sweep: gaps that will not close.
            models.Index(
                fields=["waiting_since"],
                condition=models.Q(waiting_since__isnull=False),
                name="station_transaction_waiting",
            ),
            # Whether another charge point has a transaction of this name.
            models.Index(fields=["transaction_id"], name="station_transaction_by_name"),
            # Pruning by age.
            models.Index(fields=["changed_at"], name="station_transaction_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_point}: {self.transaction_id}"


class TransactionReport(models.Model):
    """One TransactionEvent as it came; `is_told` once billing knows it. The same report again adds no row."""

    transaction = models.ForeignKey(StationTransaction, on_delete=models.CASCADE, related_name="reports")
    kind = models.CharField(max_length=7)
    seq_no = models.BigIntegerField()
    payload = models.JSONField()
    fingerprint = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    is_told = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("transaction event")
        verbose_name_plural = _("transaction events")
        ordering = ["transaction", "seq_no", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["transaction", "fingerprint"], name="transaction_report_once"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction} {self.kind} {self.seq_no}"
