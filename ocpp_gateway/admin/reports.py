"""Reports of charge points that fit no session."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.confirmation import ActionForm, confirmed_action
from common.portal import ReadOnlyAdmin, actor_of, link_to
from ocpp_gateway.models import ParkedReport
from ocpp_gateway.services.reports import resolve_report


class OpenFilter(admin.SimpleListFilter):
    """Waiting reports are the work queue; decided ones are history."""

    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Waiting")), ("done", _("Decided"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ParkedReport]) -> QuerySet[ParkedReport]:
        if self.value() is None:
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() == "open")


@admin.register(ParkedReport)
class ParkedReportAdmin(ReadOnlyAdmin):
    """Reports of charge points that fit no session. Each is decided by a person, with a note."""

    list_display = ("received_at", "charge_point_link", "action", "reason", "suggestion", "resolved_at", "resolved_by")
    list_filter = (OpenFilter, "reason", "action")
    search_fields = ("charge_point__identity", "reason")
    list_select_related = ("charge_point", "suggested_session", "resolved_by")
    csv_columns = ("received_at", "charge_point__identity", "action", "reason", "resolved_at", "resolution_note")
    fields = (
        "charge_point_link", "action", "reason", "suggestion", "received_at", "as_reported", "resolved_at",
        "resolved_by", "resolution_note",
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "admin/portal/parked_report_actions.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.action_page("resolve", self.resolve_view), *super().get_urls()]

    @display(description=_("charge point"), ordering="charge_point__identity")
    def charge_point_link(self, report: ParkedReport) -> SafeString | str:
        return link_to(report.charge_point)

    @display(description=_("probably belongs to"))
    def suggestion(self, report: ParkedReport) -> SafeString | str:
        return link_to(report.suggested_session)

    @display(description=_("as reported"))
    def as_reported(self, report: ParkedReport) -> SafeString:
        text = json.dumps(report.payload, indent=2, ensure_ascii=False)
        return format_html('<pre class="portal-json">{}</pre>', text)

    def resolve_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        report: ParkedReport = self.row_for(request, object_id, "ocpp_gateway.change_parkedreport")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                gettext("The report leaves the queue. It is kept, with your note."),
                gettext("Nothing is billed by this. Correct the session itself where it needs correcting."),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            resolve_report(report_id=report.pk, actor_id=actor_of(request), note=cleaned["reason"])
            return gettext("The report is decided.")

        return confirmed_action(
            request,
            model_admin=self,
            title=gettext("Decide about the report “%(report)s”") % {"report": report},
            submit=gettext("Close the report"),
            form_class=ActionForm,
            back_url=reverse("admin:ocpp_gateway_parkedreport_change", args=[report.pk]),
            describe=describe,
            perform=perform,
        )
