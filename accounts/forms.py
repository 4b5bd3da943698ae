"""The contract type's policies as questions instead of JSON."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from accounts.models import ContractType

POWER_CLASSES = {"AC": _("AC"), "DC": _("DC"), "HPC": _("high-power DC")}


class ContractTypeForm(forms.ModelForm):
    """`hold_policy` keeps one amount per power class, none for the usual one; `debt_policy` says when debt blocks."""

    hold_AC = forms.DecimalField(required=False, min_value=1, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget)
    hold_DC = forms.DecimalField(required=False, min_value=1, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget)
    hold_HPC = forms.DecimalField(required=False, min_value=1, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget)
    debt_rule = forms.ChoiceField(
        label=_("Unpaid sessions"),
        choices=[
            ("any", _("Any failed payment blocks the next start")),
            ("above", _("Failed payments above an amount block the next start")),
            ("never", _("Failed payments never block a start")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    debt_above = forms.DecimalField(
        label=_("Blocked above"), required=False, min_value=0, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget
    )

    class Meta:
        model = ContractType
        exclude = ("hold_policy", "debt_policy")  # noqa: DJ006 - each is edited by fields of its own

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for power_class, words in POWER_CLASSES.items():
            field = self.fields[f"hold_{power_class}"]
            field.label = _("Set aside at an %(power)s start") % {"power": words}
            field.help_text = _("In the contract's currency. Empty: the usual amount.")
            self.initial[f"hold_{power_class}"] = self.instance.hold_policy.get(power_class)
        above = self.instance.debt_policy.get("block_above", "0")
        self.initial["debt_rule"] = "never" if above is None else "above" if Decimal(str(above)) else "any"
        self.initial["debt_above"] = above if self.initial["debt_rule"] == "above" else None

        if self.instance.pk is not None and self.instance.contracts.exists():
            self._fix("billing_model", _("Fixed: customers have this type. Make another one and move them to it."))
            self._fix("wallet_use", _("Switched on a page of its own, which says what becomes of the balances."))

    def _fix(self, name: str, words: Any) -> None:
        """Whoever has a contract was promised this. Who may only look has no such field."""
        if name in self.fields:
            self.fields[name].disabled = True
            self.fields[name].help_text = words

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("debt_rule") == "above" and not cleaned.get("debt_above"):
            self.add_error("debt_above", _("Say above which amount."))
        return cleaned

    def save(self, commit: bool = True) -> ContractType:
        cleaned = self.cleaned_data
        self.instance.hold_policy = {
            power_class: str(cleaned[f"hold_{power_class}"])
            for power_class in POWER_CLASSES
            if cleaned.get(f"hold_{power_class}") is not None
        }
        above = {"any": "0", "above": str(cleaned["debt_above"]), "never": None}[cleaned["debt_rule"]]
        self.instance.debt_policy = {} if above == "0" else {"block_above": above}
        contract_type: ContractType = super().save(commit)
        return contract_type
