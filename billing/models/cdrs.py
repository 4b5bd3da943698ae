"""The rated, final record of a session: what it cost, why, and who pays."""

import uuid
from decimal import Decimal

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import LedgerTransaction, amount_field
from billing.models.sessions import ChargingSession


class Cdr(models.Model):
    """Immutable once written (database trigger). Amounts are in `currency`, quantised to its exponent.

    `vat_totals` holds one row per VAT rate: {"percent", "net", "vat", "gross"} as strings; they sum to the columns.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    charging_session = models.OneToOneField(ChargingSession, on_delete=models.PROTECT, related_name="cdr")
    ledger_transaction = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="cdr"
    )
    currency = models.CharField(max_length=3)
    net = amount_field(_("net"))
    vat = amount_field(_("VAT"))
    gross = amount_field(_("gross"))
    vat_totals = models.JSONField(default=list)
    energy_wh = models.DecimalField(max_digits=18, decimal_places=4)
    duration_seconds = models.PositiveIntegerField()
    tariff_digest = models.CharField(max_length=64)
    rating_digest = models.CharField(max_length=64)
    periods = models.JSONField(_("charging periods"), default=list)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("charge detail record")
        verbose_name_plural = _("charge detail records")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(gross__gte=0), name="cdr_gross_not_negative"),
            models.CheckConstraint(
                condition=models.Q(gross=0, ledger_transaction__isnull=True)
                | models.Q(gross__gt=0, ledger_transaction__isnull=False),
                name="cdr_with_money_is_posted",
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class CostLine(models.Model):
    """One line of “why this price”. `net` is unrounded; the Cdr's totals are rounded once."""

    cdr = models.ForeignKey(Cdr, on_delete=models.PROTECT, related_name="lines", db_index=False)
    seq = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=20)
    quantity = models.DecimalField(max_digits=24, decimal_places=9)
    unit = models.CharField(max_length=10)
    unit_price = models.DecimalField(max_digits=20, decimal_places=9)
    vat_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    net = models.DecimalField(max_digits=24, decimal_places=9)
    explanation = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("cost line")
        verbose_name_plural = _("cost lines")
        ordering = ["cdr", "seq"]
        constraints = [models.UniqueConstraint(fields=["cdr", "seq"], name="cost_line_number_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity} {self.unit}"


class FundingLeg(models.Model):
    """Who pays which part of a Cdr, in the order of the waterfall. Amount and source never change.

    `state` does, and `refunded`: what the session's refunds took off this leg, paid or not.
    """

    class Source(models.TextChoices):
        WALLET_PROMO = "wallet_promo", _("Wallet, promotional")
        WALLET_CASH = "wallet_cash", _("Wallet")
        CARD = "card", _("Card")
        OPEN_ACCESS = "open_access", _("Paid by the operator")
        DEBT = "debt", _("To be paid")

    class State(models.TextChoices):
        DUE = "due", _("Due")
        ATTEMPTING = "attempting", _("Being charged")
        REQUIRES_ACTION = "requires_action", _("Needs the driver's confirmation")
        RETRYING = "retrying", _("Failed, will be tried again")
        UNCOLLECTIBLE = "uncollectible", _("Could not be collected")
        PAID = "paid", _("Paid")
        WRITTEN_OFF = "written_off", _("Written off")
        REFUNDED = "refunded", _("Refunded")

    # Back to DUE: it waits for others, being too small to be charged alone (billing.services.accruals).
    # REFUNDED: nothing of it is owed any more, whether it had been paid or not.
    TRANSITIONS = {
        State.DUE: {State.ATTEMPTING, State.PAID, State.REFUNDED, State.WRITTEN_OFF},
        State.ATTEMPTING: {State.PAID, State.REQUIRES_ACTION, State.RETRYING, State.UNCOLLECTIBLE, State.DUE},
        State.REQUIRES_ACTION: {State.ATTEMPTING, State.PAID, State.RETRYING, State.UNCOLLECTIBLE, State.DUE},
        State.RETRYING: {
            State.ATTEMPTING,
            State.PAID,
            State.UNCOLLECTIBLE,
            State.REFUNDED,
            State.WRITTEN_OFF,
            State.DUE,
        },
        State.UNCOLLECTIBLE: {State.ATTEMPTING, State.PAID, State.WRITTEN_OFF, State.REFUNDED},
        State.PAID: {State.REFUNDED},
        State.WRITTEN_OFF: {State.PAID, State.REFUNDED},
        State.REFUNDED: set[str](),
    }

    cdr = models.ForeignKey(Cdr, on_delete=models.PROTECT, related_name="legs", db_index=False)
    seq = models.PositiveSmallIntegerField()
    source = models.CharField(_("source"), max_length=12, choices=Source.choices)
    lot = models.ForeignKey(
        "billing.WalletLot", on_delete=models.PROTECT, null=True, blank=True, related_name="legs", verbose_name=_("lot")
    )
    amount = amount_field(_("amount"))
    # With a default in the database: settling on PostgreSQL writes legs without naming it.
    refunded = amount_field(_("refunded"), default=0, db_default=0)
    # The payment of another leg that takes this one along, because alone it is below what the provider charges.
    collected_with = models.ForeignKey(
        "billing.Payment", on_delete=models.PROTECT, null=True, blank=True, related_name="legs_along", db_index=False
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices)

    class Meta:
        verbose_name = _("funding leg")
        verbose_name_plural = _("funding legs")
        ordering = ["cdr", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["cdr", "seq"], name="funding_leg_number_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="funding_leg_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(refunded__gte=0, refunded__lte=models.F("amount")),
                name="funding_leg_refunded_within_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(state="refunded", refunded=models.F("amount"))
                | ~models.Q(state="refunded") & models.Q(refunded__lt=models.F("amount")),
                name="funding_leg_refunded_when_nothing_is_left",
            ),
            models.CheckConstraint(
                condition=models.Q(source__in=["wallet_promo", "wallet_cash"], lot__isnull=False)
                | ~models.Q(source__in=["wallet_promo", "wallet_cash"]) & models.Q(lot__isnull=True),
                name="funding_leg_wallet_names_its_lot",
            ),
        ]
        indexes = [
            # The sweep: legs nobody has charged yet.
            models.Index(
                fields=["state"],
                condition=models.Q(state__in=["due", "attempting", "retrying", "requires_action"]),
                name="funding_leg_open",
            ),
            # What a payment took along.
            models.Index(
                fields=["collected_with"],
                condition=models.Q(collected_with__isnull=False),
                name="funding_leg_collected_with",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.amount} {self.state}"

    @property
    def left(self) -> Decimal:
        """What of it is not refunded: what is owed while it is unpaid, what may be given back once it is paid."""
        left: Decimal = self.amount - self.refunded
        return left
