"""What the operator portal's pages share: lists that export, rows nobody edits, links."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, TabularInline
from unfold.views import ChangeList

from common.spreadsheets import csv_file


class PortalChangeList(ChangeList):
    """Is named after its rows, and says how many there are without counting the whole table a second time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = capfirst(self.opts.verbose_name_plural)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class PortalAdmin(ModelAdmin):
    """A list with search, filters, pages and CSV export. Rows are deleted only where `may_delete` says so."""

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    warn_unsaved_form = True
    compressed_fields = True
    may_delete = False
    # Columns of the export, as lookups from the row.
    csv_columns: Sequence[str] = ()
    change_list_template = "admin/portal/change_list.html"

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.may_delete and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if not self.may_delete:
            actions.pop("delete_selected", None)
        return actions

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PortalChangeList]:
        return PortalChangeList

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "export.csv",
            self.admin_site.admin_view(self.export_csv),
            name=f"{self.opts.app_label}_{self.opts.model_name}_export",
        )
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = dict(extra_context or {})
        if self.csv_columns:
            address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export")
            context["export_url"] = f"{address}?{request.GET.urlencode()}"
        return super().changelist_view(request, context)

    def export_csv(self, request: HttpRequest) -> HttpResponseBase:
        """The rows of the list as it is filtered, searched and sorted now, streamed as CSV (UTF-8 with its mark)."""
        if not self.csv_columns or not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))
        heading = [column.replace("__", "_") for column in self.csv_columns]
        values = rows.values_list(*self.csv_columns).iterator(chunk_size=2000)
        return csv_file(f"{self.opts.model_name}.csv", heading, values)

    def action_page(self, verb: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        """The address of an action on one row, for staff only: `<app>_<model>_<verb>`, dashes as underscores."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{verb.replace('-', '_')}"
        return path(f"<int:object_id>/{verb}/", self.admin_site.admin_view(view), name=name)

    def row_for(self, request: HttpRequest, object_id: int, permission: str) -> Any:
        """The row an action page is about. Raises PermissionDenied without `permission`, Http404 without the row."""
        if not request.user.has_perm(permission):
            raise PermissionDenied
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        return row


class ReadOnlyAdmin(PortalAdmin):
    """Rows that services write: the portal shows them and changes none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Sequence[str]:
        """All of them, those the database does not let anybody edit included."""
        return tuple(self.fields)

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


def link_to(row: models.Model | None, text: str = "") -> SafeString | str:
    """A link to the portal's page of `row`; a dash where there is none."""
    if row is None:
        return "–"
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="portal-link" href="{}">{}</a>', address, text or str(row))


def actor_of(request: HttpRequest) -> int:
    """The id of the member of staff behind a request, for the audit trail. Raises PermissionDenied for nobody."""
    if request.user.pk is None:
        raise PermissionDenied
    return request.user.pk
