"""Portal pages of tariffs and their versions."""

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from common.portal import ReadOnlyAdmin, ReadOnlyInline, link_to
from tariffs.admin.editor import EditorPages
from tariffs.admin.history import HistoryPages
from tariffs.admin.import_page import ImportPages
from tariffs.admin.pages import pretty
from tariffs.admin.places import cards_by_country, sentences
from tariffs.admin.publishing import PublishPages
from tariffs.domain.jsontext import loads
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import Tariff, TariffAssignment, TariffVersion
from tariffs.selectors.in_force import versions_in_force


class VersionInline(ReadOnlyInline):
    model = TariffVersion
    fields = ("number", "status", "valid_from", "published_at", "published_by")
    show_change_link = True
    tab = True


class AssignmentInline(ReadOnlyInline):
    model = TariffAssignment
    fields = ("scope", "power_class", "customer_group", "contract_type", "channel", "valid_from", "valid_until")
    show_change_link = True
    tab = True


@admin.register(Tariff)
class TariffAdmin(EditorPages, HistoryPages, ImportPages):
    list_display = ("name", "code", "currency", "version_in_force")
    list_filter = ("currency",)
    search_fields = ("name", "code")
    csv_columns = ("code", "name", "currency")
    inlines = (VersionInline, AssignmentInline)
    change_form_outer_before_template = "admin/portal/tariff_actions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tariff]:
        in_force = versions_in_force().filter(tariff=OuterRef("pk"))
        return super().get_queryset(request).annotate(latest_number=Subquery(in_force.values("number")[:1]))

    def get_readonly_fields(self, request: HttpRequest, obj: Tariff | None = None) -> tuple[str, ...]:
        return ("code", "currency") if obj else ()

    @display(description=gettext_lazy("version in force"), ordering="latest_number")
    def version_in_force(self, tariff: Tariff) -> str:
        number = tariff.latest_number  # type: ignore[attr-defined]
        return f"v{number}" if number else _("none: prices nothing")


@admin.register(TariffVersion)
class TariffVersionAdmin(PublishPages, ReadOnlyAdmin):
    """A version is text that never changes. It is published and withdrawn, each with a reason."""

    list_display = ("tariff", "number", "status_label", "valid_from", "published_at", "published_by")
    list_filter = ("status", "tariff")
    search_fields = ("tariff__name", "tariff__code", "digest")
    list_select_related = ("tariff", "published_by")
    csv_columns = ("tariff__code", "number", "status", "valid_from", "valid_until", "published_at", "digest")
    change_form_outer_before_template = "admin/portal/tariff_version_actions.html"
    fields = (
        "tariff_link", "number", "status", "valid_from", "valid_until", "published_at", "published_by", "prices",
        "json", "digest",
    )  # fmt: skip
    readonly_fields = fields

    @display(description=gettext_lazy("tariff"))
    def tariff_link(self, version: TariffVersion) -> SafeString | str:
        return link_to(version.tariff)

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={
            TariffVersion.Status.DRAFT: "info",
            TariffVersion.Status.PUBLISHED: "success",
            TariffVersion.Status.WITHDRAWN: "warning",
        },
    )
    def status_label(self, version: TariffVersion) -> tuple[str, str]:
        return version.status, version.get_status_display()

    @display(description=gettext_lazy("prices, as consumers read them"))
    def prices(self, version: TariffVersion) -> SafeString | str:
        """By country, because VAT differs."""
        cards = sentences(cards_by_country(parse_tariff_text(version.document), version))
        if not cards:
            return _("No VAT rate is known. Enter one under VAT rates.")
        return format_html_join("", "<p><strong>{}</strong> {}</p>", cards)

    @display(description=gettext_lazy("OCPI JSON"))
    def json(self, version: TariffVersion) -> SafeString:
        return format_html('<pre class="portal-json">{}</pre>', pretty(loads(version.document)))
