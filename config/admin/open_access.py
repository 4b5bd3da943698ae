"""Open access: where and when charging is free for everybody, and what that gave away."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.portal import AuditedAdmin
from billing.domain.open_access import EVERY_DAY
from billing.models import OpenAccess
from billing.selectors.open_access import given_away


class OpenAccessForm(forms.ModelForm):
    class Meta:
        model = OpenAccess
        fields = (
            "name", "location", "connector", "is_active", "cost_centre", "valid_from", "valid_until", "weekdays",
            "begins_at", "ends_at", "max_kwh", "max_minutes", "max_sessions_per_day",
        )  # fmt: skip
        help_texts = {
            "name": _("For your own lists."),
            "begins_at": _("In the location's time zone; empty for the whole day."),
            "ends_at": _("Before the beginning: past midnight."),
            "max_kwh": _("Empty: no bound. Charging is stopped there."),
            "max_minutes": _("Empty: no bound. Charging is stopped there."),
            "max_sessions_per_day": _("Empty: no bound. Whoever comes later pays as usual."),
            "cost_centre": _("Goes into the export of what was given away."),
        }


@admin.register(OpenAccess)
class OpenAccessAdmin(AuditedAdmin):
    form = OpenAccessForm
    list_display = ("name", "place", "is_active", "valid_from", "valid_until", "days", "begins_at", "ends_at")
    list_filter = ("is_active", "location")
    search_fields = ("name", "location__name", "connector__code", "cost_centre")
    list_select_related = ("location", "connector__charge_point")
    autocomplete_fields = ("location", "connector")
    csv_columns = (
        "name", "location__name", "connector__code", "cost_centre", "is_active", "valid_from", "valid_until",
        "begins_at", "ends_at", "max_kwh", "max_minutes", "max_sessions_per_day",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("name", "location", "connector", "is_active", "cost_centre")}),
        (_("When"), {"fields": ("valid_from", "valid_until", "weekdays", "begins_at", "ends_at")}),
        (_("How much"), {"fields": ("max_kwh", "max_minutes", "max_sessions_per_day")}),
    )
    change_form_after_template = "admin/portal/open_access/given_away.html"

    def formfield_for_dbfield(self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Days of the week are ticked."""
        if db_field.name != "weekdays":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return forms.TypedMultipleChoiceField(
            label=_("Days of the week"),
            coerce=int,
            choices=[(day, WEEKDAYS[day - 1]) for day in EVERY_DAY],
            initial=list(EVERY_DAY),
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
        )

    @display(description=_("place"))
    def place(self, grant: OpenAccess) -> str:
        return str(grant.location or grant.connector)

    @display(description=_("days"))
    def days(self, grant: OpenAccess) -> str:
        if sorted(grant.weekdays) == list(EVERY_DAY):
            return str(_("every day"))
        return ", ".join(str(WEEKDAYS[day - 1]) for day in sorted(grant.weekdays))

    def get_readonly_fields(self, request: HttpRequest, obj: OpenAccess | None = None) -> tuple[str, ...]:
        """What sessions were free by stays: to change it, end this one and add another."""
        if obj is not None and obj.charging_sessions.exists():
            return ("location", "connector", "valid_from", "shown_days", "begins_at", "ends_at", "max_kwh",
                    "max_minutes", "max_sessions_per_day")  # fmt: skip
        return ()

    def get_fieldsets(self, request: HttpRequest, obj: OpenAccess | None = None) -> Any:
        if obj is None or not obj.charging_sessions.exists():
            return self.fieldsets
        return tuple(
            (title, {"fields": tuple("shown_days" if name == "weekdays" else name for name in options["fields"])})
            for title, options in self.fieldsets
        )

    @display(description=_("days"))
    def shown_days(self, grant: OpenAccess) -> str:
        return self.days(grant)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        grant = None if object_id is None else self.get_object(request, object_id)
        context = {**(extra_context or {}), "given_away": [] if grant is None else list(given_away(grant))}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        return response
