"""Contract types in the portal: what they decide, in words, and the switch of the credit mechanism."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.forms import ContractTypeForm
from accounts.models import ContractType
from accounts.portal import AuditedAdmin
from accounts.services.contract_types import set_wallet_use
from accounts.words import contract_sentences
from common.confirmation import ActionForm, confirmed_action
from common.portal import actor_of
from config.selectors.wallet_use_words import wallet_use_intro, wallet_use_sentences

WalletUse = ContractType.WalletUse


@admin.register(ContractType)
class ContractTypeAdmin(AuditedAdmin):
    """Contract types. What customers were promised changes by migration; the use of the wallet is switched here."""

    form = ContractTypeForm
    list_display = ("name", "code", "billing_model", "wallet_use", "self_topup", "currency", "open_contracts")
    list_filter = ("billing_model", "wallet_use", "invoicing", "customer_group")
    search_fields = ("name", "code")
    list_select_related = ("customer_group",)
    readonly_fields = ("in_words",)
    change_form_before_template = "admin/portal/contract_type/links.html"
    csv_columns = ("code", "name", "billing_model", "wallet_use", "self_topup", "currency", "customer_group__code")
    fieldsets = (
        (None, {"fields": ("name", "code", "currency", "customer_group", "is_default_for_sign_up")}),
        (gettext_lazy("What this type means"), {"fields": ("in_words", "plain_words")}),
        (
            _("Who pays, and when?"),
            {"fields": ("billing_model", "invoicing", "hold_AC", "hold_DC", "hold_HPC", "debt_rule", "debt_above")},
        ),
        (
            _("What is the wallet used for?"),
            {"fields": ("wallet_use", "eligible", "self_topup", "auto_topup", "min_balance_to_start")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContractType]:
        in_force = Count("contracts", filter=Q(contracts__ends_at__isnull=True))
        return super().get_queryset(request).annotate(open_contract_count=in_force)

    @display(description=gettext_lazy("drivers"), ordering="open_contract_count")
    def open_contracts(self, contract_type: ContractType) -> int:
        return int(contract_type.open_contract_count)  # type: ignore[attr-defined]

    @display(description=gettext_lazy("in words"))
    def in_words(self, contract_type: ContractType | None) -> SafeString | str:
        if contract_type is None or contract_type.pk is None:
            return str(_("Save first; what you chose is then spelled out here."))
        return format_html_join("", "<p>{}</p>", ((sentence,) for sentence in contract_sentences(contract_type)))

    def get_urls(self) -> list[URLPattern]:
        return [self.action_page("wallet-use", self.wallet_use_view), *super().get_urls()]

    def wallet_use_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Switch the credit mechanism of a type on or off; first it is said what becomes of the balances."""
        contract_type: ContractType = self.row_for(request, object_id, "accounts.change_contracttype")
        is_used = contract_type.wallet_use == WalletUse.DRAW_FIRST

        def perform(cleaned: dict[str, Any]) -> str:
            set_wallet_use(
                contract_type_id=contract_type.pk,
                wallet_use=WalletUse.NONE if is_used else WalletUse.DRAW_FIRST,
                actor_id=actor_of(request),
                reason=cleaned["reason"],
            )
            return _("The wallet is no longer used.") if is_used else _("The wallet is used.")

        title = _("Stop using the wallet: %(type)s") if is_used else _("Use the wallet: %(type)s")
        return confirmed_action(
            request,
            model_admin=self,
            title=title % {"type": contract_type},
            intro=wallet_use_intro(contract_type),
            submit=_("Stop using it") if is_used else _("Use it"),
            form_class=ActionForm,
            back_url=reverse("admin:accounts_contracttype_change", args=[contract_type.pk]),
            describe=lambda cleaned: [*wallet_use_sentences(contract_type), _("Reason: %(reason)s") % cleaned],
            perform=perform,
        )
