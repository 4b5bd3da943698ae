"""The double-entry ledger. Append-only; `docs/chart-of-accounts.md` shows every posting."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Round
from django.db.models.lookups import GreaterThanOrEqual
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Driver, Partner
from billing.domain.postings import OWNER_CODES
from common.money import MONEY_DIGITS, MONEY_PLACES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def amount_field(label: "StrOrPromise", **options: Any) -> models.DecimalField:
    """A ledger amount: Decimal in the account's currency, quantised to its exponent."""
    return models.DecimalField(label, max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES, **options)


class LedgerAccount(models.Model):
    """One account in one currency. `posted` and `pending` are kept for owner accounts (wallet, receivable) only.

    Owner accounts are locked before they are written and chain their entries; system accounts (revenue, VAT, clearing)
    are insert-only and never locked, so that no row of theirs is contended.
    """

    class Code(models.TextChoices):
        WALLET = "wallet", _("Wallet")
        RECEIVABLE = "receivable", _("Receivable")
        RECEIVABLE_AD_HOC = "receivable_ad_hoc", _("Receivable: ad hoc")
        PSP_CLEARING = "psp_clearing", _("Payment provider clearing")
        DISPUTED = "disputed", _("Withdrawn in disputes")
        BANK_CLEARING = "bank_clearing", _("Bank and cash clearing")
        REVENUE_ENERGY = "revenue_energy", _("Revenue: energy")
        REVENUE_TIME = "revenue_time", _("Revenue: time and parking")
        REVENUE_FEES = "revenue_fees", _("Revenue: fees")
        VAT_PAYABLE = "vat_payable", _("VAT payable")
        PROMO_EXPENSE = "promo_expense", _("Promotional credit")
        OPEN_ACCESS_EXPENSE = "open_access_expense", _("Open access")
        DEFERRED_SUBSCRIPTION = "deferred_subscription", _("Deferred subscription revenue")
        HOST_PAYABLE = "host_payable", _("Payable to hosts")
        PSP_FEES = "psp_fees", _("Payment provider fees")
        ROUNDING = "rounding", _("Rounding")
        BAD_DEBT = "bad_debt", _("Bad debt")

    key = models.CharField(max_length=100, editable=False)
    code = models.CharField(_("account"), max_length=24, choices=Code.choices)
    currency = models.CharField(_("currency"), max_length=3)
    driver = models.ForeignKey(
        Driver,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger_accounts",
        verbose_name=_("driver"),
    )
    partner = models.ForeignKey(
        Partner,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger_accounts",
        verbose_name=_("partner"),
    )
    qualifier = models.CharField(_("qualifier"), max_length=30, blank=True, help_text=_("VAT: country and rate"))
    posted = amount_field(_("posted"), default=0)
    pending = amount_field(_("reserved"), default=0)
    overdraft = amount_field(_("overdraft"), default=0)
    entry_count = models.PositiveIntegerField(default=0, editable=False)
    last_hash = models.CharField(max_length=64, default="", editable=False)

    class Meta:
        verbose_name = _("ledger account")
        verbose_name_plural = _("ledger accounts")
        ordering = ["code", "currency", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="ledger_account_key_once"),
            models.CheckConstraint(
                # Rounded, because SQLite compares amounts as doubles.
                condition=~models.Q(code="wallet")
                | models.Q(
                    GreaterThanOrEqual(
                        Round(models.F("posted") - models.F("pending") + models.F("overdraft"), precision=MONEY_PLACES),
                        models.Value(0),
                    )
                ),
                name="wallet_never_below_its_overdraft",
            ),
            models.CheckConstraint(condition=models.Q(pending__gte=0), name="ledger_account_pending_not_negative"),
            models.CheckConstraint(
                condition=models.Q(code__in=sorted(OWNER_CODES))
                | models.Q(posted=0, pending=0, overdraft=0, entry_count=0, last_hash=""),
                name="ledger_account_of_the_system_keeps_no_balance",
            ),
            models.CheckConstraint(
                condition=models.Q(code__in=["wallet", "host_payable"], partner__isnull=False)
                | models.Q(code__in=["wallet", "host_payable"], driver__isnull=False)
                | models.Q(code="receivable", driver__isnull=False, partner__isnull=True)
                | models.Q(code="receivable", driver__isnull=True, partner__isnull=False)
                | (
                    ~models.Q(code__in=["wallet", "receivable", "host_payable"])
                    & models.Q(driver__isnull=True, partner__isnull=True)
                ),
                name="ledger_account_has_its_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.key


class LedgerTransaction(models.Model):
    """One business event, in one currency, whose entries sum to zero. Append-only."""

    # Unique by constraint rather than by field: the field option would add a second index for LIKE, which nobody asks.
    idempotency_key = models.CharField(_("key"), max_length=120)
    content_hash = models.CharField(max_length=64, editable=False)
    event = models.SlugField(_("event"), max_length=40, db_index=False)
    currency = models.CharField(_("currency"), max_length=3)
    occurred_at = models.DateTimeField(_("occurred at"))
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now, editable=False)
    reference = models.CharField(_("reference"), max_length=100, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("ledger transaction")
        verbose_name_plural = _("ledger transactions")
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["idempotency_key"], name="ledger_transaction_key_once")]
        indexes = [
            # The postings of one session, payment or top-up.
            models.Index(fields=["reference"], name="ledger_tx_by_reference"),
        ]

    def __str__(self) -> str:
        return self.idempotency_key


class LedgerEntry(models.Model):
    """One side of a transaction. Owner accounts number and chain theirs; system accounts leave those columns empty."""

    class Side(models.TextChoices):
        DEBIT = "debit", _("Debit")
        CREDIT = "credit", _("Credit")

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    # The unique constraint's index serves the account's statement too.
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="entries", db_index=False)
    side = models.CharField(_("side"), max_length=6, choices=Side.choices)
    amount = amount_field(_("amount"))
    sequence = models.PositiveIntegerField(_("number"), null=True, blank=True)
    balance_after = amount_field(_("balance after"), null=True, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="ledger_entry_amount_positive"),
            models.UniqueConstraint(fields=["account", "sequence"], name="ledger_entry_number_once_per_account"),
            models.CheckConstraint(
                condition=models.Q(sequence__isnull=True, balance_after__isnull=True, hash="")
                | models.Q(sequence__isnull=False, balance_after__isnull=False) & ~models.Q(hash=""),
                name="ledger_entry_chained_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.amount}"
