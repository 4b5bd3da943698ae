"""The portal's tariff pages as a browser fills them in."""

from typing import Any

from django.test import Client
from django.urls import reverse

from tariffs.admin.sheet_forms import SheetForms
from tariffs.models import Tariff, TariffVersion


def editor(tariff: Tariff, base: TariffVersion | None = None) -> str:
    address = reverse("admin:tariffs_tariff_draft", args=[tariff.pk])
    return f"{address}?from={base.pk}" if base else address


def page_of(version: TariffVersion, name: str) -> str:
    return reverse(f"admin:tariffs_tariffversion_{name}", args=[version.pk])


def sent_by(forms: SheetForms) -> dict[str, Any]:
    """What a browser would send of these forms as they are."""
    sent: dict[str, Any] = {"rules": len(forms.rules), "tiers": len(forms.tiers)}
    for form in (forms.general, *forms.rules, *forms.tiers):
        for field in form:
            value = field.value()
            if value != []:  # boxes nobody ticked are not sent
                sent[field.html_name] = value or ""
    return sent


def filled_in(client: Client, address: str, **cells: Any) -> dict[str, Any]:
    """The sheet at an address with some cells typed over: rule_0_energy_price is “rule-0-energy_price”."""
    sheet = sent_by(client.get(address).context["forms"])
    for name, text in cells.items():
        kind, _line, rest = name.partition("_")
        if kind in ("rule", "tier"):
            number, _line, rest = rest.partition("_")
            kind = f"{kind}-{number}"
        sheet[f"{kind}-{rest}"] = text
    return sheet
