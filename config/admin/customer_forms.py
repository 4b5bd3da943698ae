"""What an operator is asked before something is done for a customer."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import ContractType
from billing.models import WalletLot
from common import clock
from common.confirmation import ActionForm
from common.money import exponent


def amount_field(currency: str) -> forms.DecimalField:
    places = exponent(currency)
    return forms.DecimalField(
        label=_("Amount in %(currency)s") % {"currency": currency},
        min_value=Decimal(1).scaleb(-places),
        max_value=Decimal(10_000),
        decimal_places=places,
        localize=True,
        widget=UnfoldAdminDecimalFieldWidget,
    )


class WalletForm(ActionForm):
    """An amount in the wallet's currency."""

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"] = amount_field(currency)
        self.order_fields(["amount", *(name for name in self.fields if name not in ("amount", "reason")), "reason"])


class TopUpForm(WalletForm):
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[
            (WalletLot.Kind.CASH, gettext_lazy("Money the customer paid in (cash, bank transfer, correction)")),
            (WalletLot.Kind.PROMO, gettext_lazy("A gift of the operator (may expire, is never paid out)")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Last day it can be spent"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=gettext_lazy("For a gift only. Empty: it does not expire."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        expires_on = cleaned.get("expires_on")
        if expires_on and cleaned.get("kind") == WalletLot.Kind.CASH:
            self.add_error("expires_on", _("Money the customer paid in never expires."))
        elif expires_on and expires_on < clock.local_date(clock.now(), settings.TIME_ZONE):
            self.add_error("expires_on", _("This day has passed."))
        return cleaned


class ContractForm(ActionForm):
    contract_type = forms.ModelChoiceField(
        label=gettext_lazy("New contract type"),
        queryset=ContractType.objects.order_by("name"),
        widget=UnfoldAdminSelectWidget,
    )


class TokenForm(ActionForm):
    id_tag = forms.CharField(
        label=gettext_lazy("Id tag"),
        max_length=20,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("As the charge point reads it, such as 04A1B2C3D4E5F6."),
    )
    label = forms.CharField(
        label=gettext_lazy("Label"), max_length=60, required=False, widget=UnfoldAdminTextInputWidget
    )
