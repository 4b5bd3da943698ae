"""Wallet money as lots, and holds on it."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import LedgerAccount, LedgerTransaction, amount_field
from billing.models.payments import Payment
from billing.models.sessions import ChargingSession


class WalletLot(models.Model):
    """Money that came into a wallet at once. Spent promo before cash, earliest expiry first, then oldest."""

    class Kind(models.TextChoices):
        CASH = "cash", _("Paid in")
        PROMO = "promo", _("Promotional")

    class Origin(models.TextChoices):
        CARD_TOP_UP = "card_top_up", _("Top-up by card")
        OPERATOR = "operator", _("Added by the operator")
        GIFT = "gift", _("Gift")
        VOUCHER = "voucher", _("Voucher")
        REFUND = "refund", _("Refund")

    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="lots", verbose_name=_("wallet"))
    ledger_transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="lots")
    kind = models.CharField(_("kind"), max_length=5, choices=Kind.choices)
    origin = models.CharField(_("origin"), max_length=12, choices=Origin.choices)
    amount = amount_field(_("amount"))
    remaining = amount_field(_("remaining"))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    is_refundable = models.BooleanField(_("refundable"), default=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("wallet lot")
        verbose_name_plural = _("wallet lots")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="wallet_lot_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0, remaining__lte=models.F("amount")), name="wallet_lot_within_amount"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="promo") | models.Q(expires_at__isnull=True),
                name="wallet_lot_cash_never_expires",
            ),
        ]
        indexes = [
            # Lots that can still be spent or expire.
            models.Index(fields=["account"], condition=models.Q(remaining__gt=0), name="wallet_lot_open"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.remaining}/{self.amount}"


class Hold(models.Model):
    """Reserved money: active, then captured once (at most the held amount), released or expired."""

    class Source(models.TextChoices):
        WALLET = "wallet", _("Wallet")
        CARD = "card", _("Card")

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        CAPTURED = "captured", _("Captured")
        RELEASED = "released", _("Released")
        EXPIRED = "expired", _("Expired")

    TRANSITIONS = {
        Status.ACTIVE: {Status.CAPTURED, Status.RELEASED, Status.EXPIRED},
        Status.CAPTURED: set[str](),
        Status.RELEASED: set[str](),
        Status.EXPIRED: set[str](),
    }

    # Unique by constraint, as a ledger transaction's.
    idempotency_key = models.CharField(_("key"), max_length=120)
    source = models.CharField(_("source"), max_length=8, choices=Source.choices)
    charging_session = models.ForeignKey(ChargingSession, on_delete=models.PROTECT, related_name="holds")
    account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="holds", verbose_name=_("wallet")
    )
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="holds")
    amount = amount_field(_("amount"))
    captured_amount = amount_field(_("captured"), default=0)
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.ACTIVE)
    placed_at = models.DateTimeField(_("placed at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["idempotency_key"], name="hold_key_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="hold_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(captured_amount__gte=0, captured_amount__lte=models.F("amount")),
                name="hold_captured_within_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(status="active", resolved_at__isnull=True)
                | ~models.Q(status="active") & models.Q(resolved_at__isnull=False),
                name="hold_resolved_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(source="wallet", account__isnull=False)
                | models.Q(source="card", payment__isnull=False),
                name="hold_names_its_source",
            ),
        ]
        indexes = [
            # The sweep that expires overdue holds.
            models.Index(fields=["expires_at"], condition=models.Q(status="active"), name="hold_active_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.amount} {self.status}"
