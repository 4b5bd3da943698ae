"""The driver: a list, one page with everything about the customer, and what an operator may do for them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.models import Contract, ContractType, Driver
from accounts.services.tokens import issue_app_token
from billing.models import FundingLeg, LedgerAccount
from common import clock
from common.portal_values import show_amount
from config.admin.bulk_credits import BulkCredits
from config.admin.contract_migrations import MigrateSelected
from config.admin.customer_actions import DriverActions
from config.admin.customer_page import TABS, UNPAID_STATES, heading
from config.admin.debt_actions import DebtActions
from config.admin.receivable_actions import ReceivableActions

TAB_TITLES = {
    "overview": gettext_lazy("Overview"),
    "wallet": gettext_lazy("Wallet"),
    "sessions": gettext_lazy("Sessions"),
    "payments": gettext_lazy("Payments"),
    "means": gettext_lazy("Tokens and cards"),
    "documents": gettext_lazy("Documents"),
    "mails": gettext_lazy("Mails"),
    "audit": gettext_lazy("Audit trail"),
}


class ContractTypeFilter(admin.SimpleListFilter):
    title = gettext_lazy("contract type")
    parameter_name = "contract_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(row.pk), row.name) for row in ContractType.objects.order_by("name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Driver]) -> QuerySet[Driver]:
        chosen = self.value() or ""
        if not chosen.isdecimal():
            return queryset
        now = clock.now()
        in_force = Contract.objects.filter(contract_type_id=int(chosen), starts_at__lte=now).filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now)
        )
        return queryset.filter(pk__in=in_force.values("driver"))


class UnpaidFilter(admin.SimpleListFilter):
    title = gettext_lazy("unpaid")
    parameter_name = "unpaid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", _("Has something to pay")), ("no", _("Nothing to pay"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Driver]) -> QuerySet[Driver]:
        debtors = FundingLeg.objects.filter(state__in=UNPAID_STATES).values("cdr__charging_session__driver")
        if self.value() == "yes":
            return queryset.filter(pk__in=debtors)
        if self.value() == "no":
            return queryset.exclude(pk__in=debtors)
        return queryset


@admin.register(Driver)
class DriverAdmin(ReceivableActions, MigrateSelected, BulkCredits, DebtActions, DriverActions):
    actions = ("top_up_selected", "migrate_selected")
    list_display = ("name", "email", "status_label", "contract", "wallet_balance", "unpaid", "city", "created_at")
    list_filter = ("status", ContractTypeFilter, UnpaidFilter, "customer_group", "country")
    search_fields = ("name", "email", "phone", "tokens__id_tag", "public_id")
    list_select_related = ("customer_group",)
    autocomplete_fields = ("user", "customer_group")
    readonly_fields = ("status", "public_id", "created_at")
    csv_columns = ("public_id", "name", "email", "phone", "city", "country", "status", "customer_group__code")
    fieldsets = (
        (None, {"fields": ("name", "email", "phone", "user", "language")}),
        (gettext_lazy("Address on documents"), {"fields": ("address", "postal_code", "city", "country")}),
        (gettext_lazy("Prices"), {"fields": ("customer_group",)}),
        (gettext_lazy("Record"), {"fields": ("status", "public_id", "created_at")}),
    )

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Driver]:
        """One query: the contract in force, the wallet and the unpaid sum come as subqueries."""
        now = clock.now()
        in_force = Contract.objects.filter(driver=OuterRef("pk"), starts_at__lte=now).filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now)
        )
        wallets = LedgerAccount.objects.filter(driver=OuterRef("pk"), code=LedgerAccount.Code.WALLET).order_by("pk")
        unpaid = (
            FundingLeg.objects.filter(cdr__charging_session__driver=OuterRef("pk"), state__in=UNPAID_STATES)
            .values("cdr__charging_session__driver")
            .annotate(amount=Sum(F("amount") - F("refunded")))
        )
        return (
            super()
            .get_queryset(request)
            .annotate(
                contract_name=Subquery(in_force.values("contract_type__name")[:1]),
                contract_currency=Subquery(in_force.values("contract_type__currency")[:1]),
                wallet_posted=Subquery(wallets.values("posted")[:1]),
                wallet_currency=Subquery(wallets.values("currency")[:1]),
                unpaid_amount=Subquery(unpaid.values("amount")[:1]),
            )
        )

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={Driver.Status.ACTIVE: "success", Driver.Status.BLOCKED: "danger", Driver.Status.CLOSED: "info"},
    )
    def status_label(self, driver: Driver) -> tuple[str, str]:
        return driver.status, driver.get_status_display()

    @display(description=gettext_lazy("contract"), ordering="contract_name", empty_value="–")
    def contract(self, driver: Driver) -> str | None:
        return driver.contract_name  # type: ignore[attr-defined]

    @display(description=gettext_lazy("wallet"), ordering="wallet_posted")
    def wallet_balance(self, driver: Driver) -> str:
        return show_amount(driver.wallet_posted, driver.wallet_currency or "")  # type: ignore[attr-defined]

    @display(description=gettext_lazy("unpaid"), ordering="unpaid_amount")
    def unpaid(self, driver: Driver) -> str:
        return show_amount(driver.unpaid_amount, driver.contract_currency or "")  # type: ignore[attr-defined]

    # --- the customer's page ------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        details = path(
            "<int:object_id>/details/", self.admin_site.admin_view(self.details_view), name="accounts_driver_details"
        )
        return [details, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The customer at a glance; the form with the master data is behind “Edit details”."""
        driver = self.get_object(request, object_id)
        if driver is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, driver):
            raise PermissionDenied
        tab = request.GET.get("tab", "overview")
        if tab not in TABS:
            tab = "overview"
        context = {
            **self.admin_site.each_context(request),
            "title": driver.name,
            "opts": self.opts,
            "original": driver,
            "driver": driver,
            "tab": tab,
            "tabs": TAB_TITLES.items(),
            "tab_template": f"admin/portal/driver/{tab}.html",
            **heading(driver),
            **TABS[tab](driver),
        }
        return TemplateResponse(request, "admin/portal/driver/page.html", context)

    def details_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self.changeform_view(request, str(object_id))

    def response_change(self, request: HttpRequest, obj: Driver) -> HttpResponse:
        self.message_user(request, _("The details were saved."))
        return HttpResponseRedirect(self.address_of(obj))

    def save_model(self, request: HttpRequest, obj: Driver, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            issue_app_token(driver_id=obj.pk)

    def response_add(self, request: HttpRequest, obj: Driver, post_url_continue: str | None = None) -> HttpResponse:
        """A new customer needs a contract next."""
        self.message_user(request, _("The customer was added. Choose a contract type next."))
        page = "contract" if request.user.has_perm("accounts.add_contract") else "change"
        return HttpResponseRedirect(self.address_of(obj, page))
