"""Contract types and contracts: a billing model is configuration."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import CustomerGroup, Driver
from common.money import MONEY_DIGITS, MONEY_PLACES

currency_code = RegexValidator(r"^[A-Z]{3}$", _("Use the three-letter ISO 4217 code, such as EUR."))


class ContractType(models.Model):
    """How a group of customers pays. The waterfall of a session is read from here, never coded per model."""

    class BillingModel(models.TextChoices):
        POSTPAID = "postpaid", _("Card on file, charged after the session")
        PREAUTH = "preauth", _("Card, amount held before the session")
        WALLET = "wallet", _("Prepaid wallet")
        SUBSCRIPTION_ONLY = "subscription_only", _("Subscription only")
        OPEN_ACCESS = "open_access", _("Free for the driver")

    class WalletUse(models.TextChoices):
        NONE = "none", _("Not used")
        DRAW_FIRST = "draw_first", _("Draw the wallet first, then the card")
        ONLY = "only", _("Wallet only")

    class Invoicing(models.TextChoices):
        PER_SESSION = "per_session", _("A receipt per session")
        MONTHLY = "monthly", _("One invoice a month")

    class Eligible(models.TextChoices):
        SESSIONS = "sessions", _("Charging sessions")
        SESSIONS_AND_FEES = "sessions_and_fees", _("Charging sessions and fees")

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    plain_words = models.TextField(_("in plain words"), blank=True, help_text=_("What the driver reads on the site."))
    billing_model = models.CharField(_("billing model"), max_length=20, choices=BillingModel.choices)
    wallet_use = models.CharField(_("wallet"), max_length=12, choices=WalletUse.choices, default=WalletUse.NONE)
    self_topup = models.BooleanField(_("driver may top up"), default=False)
    auto_topup = models.BooleanField(_("automatic top-up offered"), default=False)
    invoicing = models.CharField(
        _("documents"), max_length=12, choices=Invoicing.choices, default=Invoicing.PER_SESSION
    )
    eligible = models.CharField(
        _("wallet pays for"), max_length=20, choices=Eligible.choices, default=Eligible.SESSIONS_AND_FEES
    )
    hold_policy = models.JSONField(_("hold policy"), default=dict, blank=True)
    debt_policy = models.JSONField(_("debt policy"), default=dict, blank=True)
    min_balance_to_start = models.DecimalField(
        _("balance needed to start"), max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES, default=0
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    customer_group = models.ForeignKey(
        CustomerGroup, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("customer group")
    )
    is_default_for_sign_up = models.BooleanField(_("given at sign-up"), default=False)

    class Meta:
        verbose_name = _("contract type")
        verbose_name_plural = _("contract types")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(min_balance_to_start__gte=0), name="contract_type_min_balance_not_negative"
            ),
            models.CheckConstraint(
                condition=~models.Q(billing_model="wallet") | models.Q(wallet_use="only"),
                name="contract_type_wallet_model_uses_wallet_only",
            ),
            models.CheckConstraint(
                condition=models.Q(billing_model="wallet") | ~models.Q(wallet_use="only"),
                name="contract_type_wallet_only_is_wallet_model",
            ),
            models.CheckConstraint(
                # The credit mechanism: a pay-as-you-go driver sees the balance but cannot top it up.
                condition=models.Q(billing_model="wallet") | models.Q(self_topup=False),
                name="contract_type_only_wallet_drivers_top_up",
            ),
            models.CheckConstraint(
                condition=models.Q(billing_model="wallet") | models.Q(auto_topup=False),
                name="contract_type_only_wallet_drivers_top_up_automatically",
            ),
            models.UniqueConstraint(
                fields=["is_default_for_sign_up"],
                condition=models.Q(is_default_for_sign_up=True),
                name="contract_type_one_for_sign_up",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Contract(models.Model):
    """A driver's contract for [starts_at, ends_at). The database allows exactly one in force at any moment."""

    driver = models.ForeignKey(Driver, on_delete=models.PROTECT, related_name="contracts", verbose_name=_("driver"))
    contract_type = models.ForeignKey(
        ContractType, on_delete=models.PROTECT, related_name="contracts", verbose_name=_("contract type")
    )
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name = _("contract")
        verbose_name_plural = _("contracts")
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gt=models.F("starts_at")),
                name="contract_ends_after_it_starts",
            ),
            models.UniqueConstraint(
                fields=["driver"], condition=models.Q(ends_at__isnull=True), name="contract_one_open_per_driver"
            ),
        ]
        indexes = [
            # contracts.selectors.contract_in_force: the driver's contract at a moment.
            models.Index(fields=["driver", "starts_at"], name="contract_by_driver_and_start"),
        ]

    def __str__(self) -> str:
        return f"{self.driver} – {self.contract_type}"
