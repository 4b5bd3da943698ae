"""Wallet money as lots, and holds on wallets and cards."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import LedgerAccount, LedgerTransaction, amount_field
from billing.models.payments import Payment, PaymentMethod
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
    """Reserved money: active, then captured once (at most the held amount), released or expired.

    A wallet's is active from the start. A card's is asked of the provider first: `sent_at` says when, and until it has
    answered nobody knows. The bank may refuse it or want the driver. While it is open, `reread_at` says when the sweep
    asks the provider about it; an open hold on a card without that moment is parked, and `decline_code` says why.
    `release_asked_at` is when it was decided that it is not needed: from then on nothing may be captured. `payment` is
    the one that captures it. `expires_at` is the provider's own deadline once it has answered.
    """

    class Source(models.TextChoices):
        WALLET = "wallet", _("Wallet")
        CARD = "card", _("Card")

    class Status(models.TextChoices):
        ASKED = "asked", _("Asked for, no answer yet")
        REQUIRES_ACTION = "requires_action", _("Needs the driver's confirmation")
        ACTIVE = "active", _("Active")
        CAPTURED = "captured", _("Captured")
        RELEASED = "released", _("Released")
        EXPIRED = "expired", _("Expired")
        REFUSED = "refused", _("Refused by the bank")

    TRANSITIONS = {
        Status.ASKED: {Status.REQUIRES_ACTION, Status.ACTIVE, Status.RELEASED, Status.EXPIRED, Status.REFUSED},
        Status.REQUIRES_ACTION: {Status.ACTIVE, Status.RELEASED, Status.EXPIRED, Status.REFUSED},
        Status.ACTIVE: {Status.CAPTURED, Status.RELEASED, Status.EXPIRED},
        Status.CAPTURED: set[str](),
        Status.RELEASED: set[str](),
        Status.EXPIRED: set[str](),
        Status.REFUSED: set[str](),
    }
    OPEN = (Status.ASKED, Status.REQUIRES_ACTION, Status.ACTIVE)

    # Unique by constraint, as a ledger transaction's.
    idempotency_key = models.CharField(_("key"), max_length=120)
    source = models.CharField(_("source"), max_length=8, choices=Source.choices)
    charging_session = models.ForeignKey(ChargingSession, on_delete=models.PROTECT, related_name="holds")
    account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="holds", verbose_name=_("wallet")
    )
    method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, null=True, blank=True, related_name="holds", verbose_name=_("card")
    )
    provider_reference = models.CharField(_("provider's reference"), max_length=100, blank=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="holds")
    amount = amount_field(_("amount"))
    captured_amount = amount_field(_("captured"), default=0)
    status = models.CharField(_("status"), max_length=15, choices=Status.choices, default=Status.ACTIVE)
    decline_class = models.CharField(
        _("decline class"), max_length=10, choices=Payment.DeclineClass.choices, blank=True, editable=False
    )
    decline_code = models.CharField(_("decline code"), max_length=60, blank=True)
    action_url = models.URLField(_("confirmation page"), max_length=2000, blank=True)
    placed_at = models.DateTimeField(_("placed at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    release_asked_at = models.DateTimeField(_("not needed since"), null=True, blank=True)
    reread_at = models.DateTimeField(_("ask the provider again"), null=True, blank=True)
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
                condition=models.Q(status__in=["asked", "requires_action", "active"], resolved_at__isnull=True)
                | models.Q(
                    status__in=["captured", "released", "expired", "refused"],
                    resolved_at__isnull=False,
                    reread_at__isnull=True,
                ),
                name="hold_resolved_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(source="wallet", account__isnull=False)
                | models.Q(source="card", method__isnull=False),
                name="hold_names_its_source",
            ),
            models.CheckConstraint(
                condition=~models.Q(source="card", status="captured") | models.Q(payment__isnull=False),
                name="hold_captured_by_its_payment",
            ),
            models.UniqueConstraint(
                fields=["payment"], condition=models.Q(payment__isnull=False), name="hold_captured_by_one_payment"
            ),
            # Whatever else goes wrong, no session holds two amounts on cards at once.
            models.UniqueConstraint(
                fields=["charging_session"],
                condition=models.Q(source="card", status__in=["asked", "requires_action", "active"]),
                name="hold_one_open_on_a_card",
            ),
        ]
        indexes = [
            # The sweep that expires overdue holds.
            models.Index(fields=["expires_at"], condition=models.Q(status="active"), name="hold_active_by_expiry"),
            # The sweep: holds the provider is to be asked about.
            models.Index(fields=["reread_at"], condition=models.Q(reread_at__isnull=False), name="hold_to_reread"),
            # A webhook finds its hold.
            models.Index(
                fields=["provider_reference"],
                condition=~models.Q(provider_reference=""),
                name="hold_by_provider_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.amount} {self.status}"
