"""What a replay is asked: which version, which days, which places."""

import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from locations.models import Location
from tariffs.models import TariffVersion

# A form opens with this many days until yesterday.
DAYS = 30


class VersionField(forms.ModelChoiceField):
    def label_from_instance(self, version: TariffVersion) -> str:
        return f"{version} · {version.get_status_display()}"


def _day_input() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "portal-input"})


class ReplayForm(forms.Form):
    """`key` is made with the page, so that a form sent twice asks once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    version = VersionField(
        label=gettext_lazy("Tariff version"),
        queryset=TariffVersion.objects.none(),
        widget=forms.Select(attrs={"class": "portal-input"}),
    )
    first_day = forms.DateField(label=gettext_lazy("First day"), widget=_day_input())
    last_day = forms.DateField(label=gettext_lazy("Last day"), widget=_day_input())
    own_sessions_only = forms.BooleanField(
        label=gettext_lazy("Only sessions that this tariff priced then"), required=False
    )
    locations = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Locations"),
        queryset=Location.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Without a tick: all locations."),
    )

    def __init__(self, data: Any = None, *, version: str = "") -> None:
        yesterday = timezone.localdate() - timedelta(days=1)
        initial = {
            "key": uuid.uuid4(),
            "version": version,
            "first_day": yesterday - timedelta(days=DAYS - 1),
            "last_day": yesterday,
            "own_sessions_only": True,
        }
        super().__init__(data, initial=initial)
        versions = TariffVersion.objects.exclude(status=TariffVersion.Status.WITHDRAWN).select_related("tariff")
        self.fields["version"].queryset = versions.order_by("tariff__name", "-number")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", _("The last day is before the first."))
        return cleaned

    def terms(self) -> dict[str, Any]:
        """What was asked, as `request_replay` takes it."""
        cleaned = self.cleaned_data
        places: Iterable[Location] = cleaned["locations"]
        return {
            "version_id": cleaned["version"].pk,
            "since": _start_of(cleaned["first_day"]),
            "until": _start_of(cleaned["last_day"] + timedelta(days=1)),
            "location_ids": [place.pk for place in places],
            "own_sessions_only": cleaned["own_sessions_only"],
            "public_id": cleaned["key"],
        }


def _start_of(day: date) -> datetime:
    """Midnight of a day of the operator's, as UTC."""
    return datetime.combine(day, time(0), ZoneInfo(settings.TIME_ZONE)).astimezone(UTC)
