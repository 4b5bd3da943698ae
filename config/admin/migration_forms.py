"""What a contract migration is asked: who moves, where to, and when."""

import uuid
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Contract, ContractType, Driver
from common import clock

# The drivers of a selection wait here, in the session of whoever chose them, for the form that moves them.
SELECTION = "contract_migration_selection"
MOST_SELECTED = 20_000
# So many of a selection are named above its form.
NAMED = 10


def _type_field(label: Any) -> forms.ModelChoiceField:
    return forms.ModelChoiceField(
        label=label,
        queryset=ContractType.objects.order_by("name"),
        widget=forms.Select(attrs={"class": "portal-input"}),
    )


class MigrationForm(forms.Form):
    """`key` is made with the page, so that a form sent twice drafts once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    target = _type_field(gettext_lazy("New contract type"))
    scheduled_at = forms.DateTimeField(
        label=gettext_lazy("Not before"),
        required=False,
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "portal-input"}),
        help_text=gettext_lazy("Empty: as soon as it is confirmed."),
    )

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial={"key": uuid.uuid4(), **(initial or {})})

    def clean_scheduled_at(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["scheduled_at"]
        if moment is not None and moment <= clock.now():
            raise forms.ValidationError(_("This moment is over. Leave it empty to move them once it is confirmed."))
        return moment

    def terms(self) -> dict[str, Any]:
        """What was asked, as `draft_migration` takes it."""
        return {
            "target_id": self.cleaned_data["target"].pk,
            "scheduled_at": self.cleaned_data["scheduled_at"],
            "public_id": self.cleaned_data["key"],
        }


class TypeMigrationForm(MigrationForm):
    """Everybody on a contract type."""

    source = _type_field(gettext_lazy("Everybody on"))
    field_order = ("source", "target", "scheduled_at")

    def __init__(self, data: Any = None, *, source: str = "") -> None:
        super().__init__(data, initial={"source": source})

    def how_many(self) -> int:
        return Contract.objects.filter(contract_type=self.cleaned_data["source"], ends_at__isnull=True).count()

    def terms(self) -> dict[str, Any]:
        return {**super().terms(), "source_id": self.cleaned_data["source"].pk}


class SelectionMigrationForm(MigrationForm):
    """Drivers chosen from the list, or one; `selection` says which choice the page was about."""

    selection = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, selection: dict[str, Any]) -> None:
        super().__init__(data, initial={"selection": selection["key"]})
        self.driver_ids: list[int] = selection["drivers"]

    def how_many(self) -> int:
        return len(self.driver_ids)

    def named(self) -> list[Driver]:
        """The first of those chosen."""
        return list(Driver.objects.filter(pk__in=self.driver_ids).order_by("name", "pk")[:NAMED])

    def unnamed(self) -> int:
        return max(0, self.how_many() - NAMED)

    def terms(self) -> dict[str, Any]:
        return {**super().terms(), "driver_ids": self.driver_ids}


def selection_of(driver_ids: list[int]) -> dict[str, Any]:
    """A choice of drivers as it waits in the session."""
    return {"key": str(uuid.uuid4()), "drivers": driver_ids}
