"""Portal pages of money: what services wrote, for reading. The session's page is composed in config.admin.sessions."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.portal import AuditedAdmin
from billing.models import (
    Cdr,
    CostLine,
    FundingLeg,
    Hold,
    HoldPolicy,
    LedgerAccount,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    PaymentMethod,
    ProviderEvent,
    WalletLot,
)
from common.portal import ReadOnlyAdmin, ReadOnlyInline, link_to
from common.portal_values import show_amount, show_energy, show_number

_STATE_LABELS = {
    FundingLeg.State.PAID: "success",
    FundingLeg.State.DUE: "warning",
    FundingLeg.State.ATTEMPTING: "info",
    FundingLeg.State.RETRYING: "warning",
    FundingLeg.State.REQUIRES_ACTION: "warning",
    FundingLeg.State.UNCOLLECTIBLE: "danger",
    FundingLeg.State.WRITTEN_OFF: "danger",
}


class EntryInline(ReadOnlyInline):
    model = LedgerEntry
    fields = ("account_link", "debit", "credit", "sequence", "balance_shown")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        return super().get_queryset(request).select_related("account")

    @display(description=_("account"))
    def account_link(self, entry: LedgerEntry) -> SafeString | str:
        return link_to(entry.account)

    @display(description=_("debit"))
    def debit(self, entry: LedgerEntry) -> str:
        return show_amount(entry.amount, entry.account.currency) if entry.side == LedgerEntry.Side.DEBIT else ""

    @display(description=_("credit"))
    def credit(self, entry: LedgerEntry) -> str:
        return show_amount(entry.amount, entry.account.currency) if entry.side == LedgerEntry.Side.CREDIT else ""

    @display(description=_("balance after"))
    def balance_shown(self, entry: LedgerEntry) -> str:
        return show_amount(entry.balance_after, entry.account.currency)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadOnlyAdmin):
    list_display = ("pk", "event", "occurred_at", "currency", "reference", "note")
    list_filter = ("event", "currency")
    search_fields = ("idempotency_key", "reference", "note")
    date_hierarchy = "occurred_at"
    csv_columns = ("pk", "event", "occurred_at", "recorded_at", "currency", "reference", "note", "idempotency_key")
    fields = ("event", "occurred_at", "recorded_at", "currency", "reference", "note", "idempotency_key")
    inlines = (EntryInline,)


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    list_display = ("key", "code", "currency", "driver", "partner", "posted_shown", "pending_shown", "entry_count")
    list_filter = ("code", "currency")
    search_fields = ("key", "driver__name", "driver__email", "partner__name")
    list_select_related = ("driver", "partner")
    csv_columns = ("key", "code", "currency", "driver__name", "partner__name", "qualifier", "posted", "pending")
    fields = (
        "key", "code", "currency", "driver", "partner", "qualifier", "posted_shown", "pending_shown", "entry_count",
        "last_hash",
    )  # fmt: skip
    readonly_fields = fields

    @display(description=_("posted"), ordering="posted")
    def posted_shown(self, account: LedgerAccount) -> str:
        """Kept for accounts of drivers and partners only; those of the system are summed when asked."""
        return show_amount(account.posted, account.currency) if account.entry_count else "–"

    @display(description=_("reserved"), ordering="pending")
    def pending_shown(self, account: LedgerAccount) -> str:
        return show_amount(account.pending, account.currency) if account.entry_count else "–"


class CostLineInline(ReadOnlyInline):
    model = CostLine
    fields = ("seq", "kind", "quantity_shown", "unit", "unit_price_shown", "vat_shown", "net_shown")

    @display(description=_("quantity"))
    def quantity_shown(self, line: CostLine) -> str:
        return show_number(line.quantity)

    @display(description=_("net price"))
    def unit_price_shown(self, line: CostLine) -> str:
        return show_number(line.unit_price)

    @display(description=_("VAT (%)"))
    def vat_shown(self, line: CostLine) -> str:
        return show_number(line.vat_percent)

    @display(description=_("net, unrounded"))
    def net_shown(self, line: CostLine) -> str:
        return show_number(line.net)


class LegInline(ReadOnlyInline):
    model = FundingLeg
    fields = ("seq", "source", "lot", "amount_shown", "state")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FundingLeg]:
        return super().get_queryset(request).select_related("cdr", "lot")

    @display(description=_("amount"))
    def amount_shown(self, leg: FundingLeg) -> str:
        return show_amount(leg.amount, leg.cdr.currency)


@admin.register(Cdr)
class CdrAdmin(ReadOnlyAdmin):
    list_display = ("session_link", "driver", "created_at", "energy", "net_shown", "vat_shown", "gross_shown")
    list_filter = ("currency", "charging_session__payment_status")
    search_fields = ("public_id", "charging_session__driver__name", "charging_session__charge_point__identity")
    list_select_related = ("charging_session__driver",)
    date_hierarchy = "created_at"
    csv_columns = (
        "public_id", "charging_session__id", "charging_session__driver__name",
        "charging_session__charge_point__identity", "charging_session__started_at", "charging_session__ended_at",
        "energy_wh", "currency", "net", "vat", "gross",
    )  # fmt: skip
    fields = (
        "public_id", "session_link", "created_at", "energy", "duration_seconds", "currency", "net_shown", "vat_shown",
        "gross_shown", "vat_totals", "tariff_digest", "rating_digest", "ledger_transaction",
    )  # fmt: skip
    readonly_fields = fields
    inlines = (CostLineInline, LegInline)

    @display(description=_("session"), ordering="charging_session_id")
    def session_link(self, cdr: Cdr) -> SafeString | str:
        return link_to(cdr.charging_session)

    @display(description=_("driver"))
    def driver(self, cdr: Cdr) -> SafeString | str:
        return link_to(cdr.charging_session.driver)

    @display(description=_("energy"), ordering="energy_wh")
    def energy(self, cdr: Cdr) -> str:
        return show_energy(cdr.energy_wh)

    @display(description=_("net"), ordering="net")
    def net_shown(self, cdr: Cdr) -> str:
        return show_amount(cdr.net, cdr.currency)

    @display(description=_("VAT"), ordering="vat")
    def vat_shown(self, cdr: Cdr) -> str:
        return show_amount(cdr.vat, cdr.currency)

    @display(description=_("gross"), ordering="gross")
    def gross_shown(self, cdr: Cdr) -> str:
        return show_amount(cdr.gross, cdr.currency)


class FailedFilter(admin.SimpleListFilter):
    """The work queue of failed payments."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failed", _("Failed payments")), ("open", _("Everything unpaid"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FundingLeg]) -> QuerySet[FundingLeg]:
        state = FundingLeg.State
        failed = [state.RETRYING, state.REQUIRES_ACTION, state.UNCOLLECTIBLE]
        if self.value() == "failed":
            return queryset.filter(state__in=failed)
        if self.value() == "open":
            return queryset.filter(state__in=[state.DUE, state.ATTEMPTING, *failed])
        return queryset


@admin.register(FundingLeg)
class FundingLegAdmin(ReadOnlyAdmin):
    """Who pays which part of which session."""

    list_display = ("session_link", "driver", "source", "amount_shown", "state_label", "decline", "next_attempt")
    list_filter = (FailedFilter, "state", "source")
    search_fields = ("cdr__charging_session__driver__name", "cdr__charging_session__driver__email")
    list_select_related = ("cdr__charging_session__driver",)
    ordering = ("-pk",)
    csv_columns = (
        "cdr__charging_session__id", "cdr__charging_session__driver__name", "source", "amount", "cdr__currency",
        "state",
    )  # fmt: skip
    fields = ("session_link", "driver", "seq", "source", "lot", "amount_shown", "state")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[FundingLeg]:
        return super().get_queryset(request).prefetch_related("payments")

    @display(description=_("session"), ordering="cdr__charging_session_id")
    def session_link(self, leg: FundingLeg) -> SafeString | str:
        return link_to(leg.cdr.charging_session)

    @display(description=_("driver"), ordering="cdr__charging_session__driver__name")
    def driver(self, leg: FundingLeg) -> SafeString | str:
        return link_to(leg.cdr.charging_session.driver)

    @display(description=_("amount"), ordering="amount")
    def amount_shown(self, leg: FundingLeg) -> str:
        return show_amount(leg.amount, leg.cdr.currency)

    @display(description=_("state"), ordering="state", label=_STATE_LABELS)
    def state_label(self, leg: FundingLeg) -> tuple[str, str]:
        return leg.state, leg.get_state_display()

    @display(description=_("last decline"), empty_value="–")
    def decline(self, leg: FundingLeg) -> str | None:
        payment = _latest(leg)
        return payment.get_decline_class_display() if payment and payment.decline_class else None

    @display(description=_("next attempt"), empty_value="–")
    def next_attempt(self, leg: FundingLeg) -> Any:
        payment = _latest(leg)
        return payment.next_attempt_at if payment else None


def _latest(leg: FundingLeg) -> Payment | None:
    return max(leg.payments.all(), key=lambda payment: payment.attempt, default=None)


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnlyAdmin):
    list_display = ("driver", "brand", "last4", "expires_on", "is_default", "status", "provider")
    list_filter = ("status", "provider", "brand")
    search_fields = ("driver__name", "driver__email", "last4")
    list_select_related = ("driver",)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ("session_link", "source", "amount_shown", "captured_shown", "status", "placed_at", "expires_at")
    list_filter = ("status", "source")
    search_fields = ("idempotency_key", "charging_session__driver__name")
    list_select_related = ("charging_session",)
    csv_columns = ("charging_session__id", "source", "amount", "captured_amount", "status", "placed_at", "expires_at")

    @display(description=_("session"))
    def session_link(self, hold: Hold) -> SafeString | str:
        return link_to(hold.charging_session)

    @display(description=_("amount"), ordering="amount")
    def amount_shown(self, hold: Hold) -> str:
        return show_amount(hold.amount, hold.charging_session.currency)

    @display(description=_("captured"), ordering="captured_amount")
    def captured_shown(self, hold: Hold) -> str:
        return show_amount(hold.captured_amount, hold.charging_session.currency)


@admin.register(HoldPolicy)
class HoldPolicyAdmin(AuditedAdmin):
    list_display = ("place", "power_class_shown", "channel_shown", "amount_shown")
    fieldsets = (
        (
            _("Where it counts"),
            {
                "fields": ("connector", "location", "tariff", "power_class", "channel"),
                "description": _(
                    "Choose a connector, a location or a tariff, or none for the whole network. The nearest place "
                    "wins; there, the amount for a power class goes before the one for a way of starting. Left "
                    "empty, power class and way of starting mean all."
                ),
            },
        ),
        (_("How much"), {"fields": ("amount", "currency")}),
    )
    list_filter = ("power_class", "channel")
    may_delete = True
    csv_columns = (
        "location__name",
        "connector__code",
        "tariff__name",
        "power_class",
        "channel",
        "amount",
        "currency",
    )
    search_fields = ("location__name", "connector__charge_point__identity", "tariff__name")
    list_select_related = ("connector__charge_point", "location", "tariff")
    autocomplete_fields = ("connector", "location", "tariff")

    @display(description=_("where"))
    def place(self, policy: HoldPolicy) -> str:
        return str(policy)

    @display(description=_("power class"), ordering="power_class")
    def power_class_shown(self, policy: HoldPolicy) -> str:
        return policy.power_class or str(_("all"))

    @display(description=_("started by"), ordering="channel")
    def channel_shown(self, policy: HoldPolicy) -> str:
        return str(policy.get_channel_display()) if policy.channel else str(_("all ways"))

    @display(description=_("amount"), ordering="amount")
    def amount_shown(self, policy: HoldPolicy) -> str:
        return show_amount(policy.amount, policy.currency)


@admin.register(WalletLot)
class WalletLotAdmin(ReadOnlyAdmin):
    list_display = ("account", "kind", "origin", "amount_shown", "remaining_shown", "expires_at", "created_at")
    list_filter = ("kind", "origin")
    search_fields = ("account__driver__name", "account__driver__email")
    list_select_related = ("account__driver",)
    csv_columns = ("account__driver__name", "kind", "origin", "amount", "remaining", "expires_at", "created_at")

    @display(description=_("amount"), ordering="amount")
    def amount_shown(self, lot: WalletLot) -> str:
        return show_amount(lot.amount, lot.account.currency)

    @display(description=_("remaining"), ordering="remaining")
    def remaining_shown(self, lot: WalletLot) -> str:
        return show_amount(lot.remaining, lot.account.currency)


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "provider", "kind", "received_at", "processed_at", "note")
    list_filter = ("provider", "kind")
    search_fields = ("event_id",)
