"""Portal pages of documents: found, read and downloaded, never edited."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.portal import ReadOnlyAdmin, ReadOnlyInline, link_to
from common.portal_values import show_amount
from invoicing.models import Document, DocumentLine, DocumentVatTotal, NumberSeries


class LineInline(ReadOnlyInline):
    model = DocumentLine
    fields = ("seq", "description", "quantity", "unit", "unit_price", "vat_percent", "gross")


class VatTotalInline(ReadOnlyInline):
    model = DocumentVatTotal
    fields = ("category", "country", "percent", "net", "vat", "gross")


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = ("number_shown", "kind", "driver_link", "issued_on", "net_shown", "vat_shown", "gross_shown", "pdf")
    list_filter = ("kind", "status", "legal_entity", "currency")
    search_fields = ("number", "public_id", "driver__name", "driver__email")
    list_select_related = ("driver",)
    date_hierarchy = "issued_on"
    csv_columns = (
        "number", "kind", "legal_entity__name", "driver__name", "issued_on", "supplied_on", "currency", "net", "vat",
        "gross",
    )  # fmt: skip
    fields = (
        "number", "kind", "status", "legal_entity", "driver_link", "session", "issued_at", "supplied_on", "net_shown",
        "vat_shown", "gross_shown", "language", "pdf", "pdf_digest",
    )  # fmt: skip
    readonly_fields = fields
    inlines = (LineInline, VatTotalInline)

    @display(description=_("number"), ordering="number")
    def number_shown(self, document: Document) -> str:
        return document.number or str(_("draft"))

    @display(description=_("driver"), ordering="driver__name")
    def driver_link(self, document: Document) -> SafeString | str:
        return link_to(document.driver)

    @display(description=_("session"))
    def session(self, document: Document) -> SafeString | str:
        return link_to(document.cdr.charging_session if document.cdr else None)

    @display(description=_("net"), ordering="net")
    def net_shown(self, document: Document) -> str:
        return show_amount(document.net, document.currency)

    @display(description=_("VAT"), ordering="vat")
    def vat_shown(self, document: Document) -> str:
        return show_amount(document.vat, document.currency)

    @display(description=_("gross"), ordering="gross")
    def gross_shown(self, document: Document) -> str:
        return show_amount(document.gross, document.currency)

    @display(description=_("PDF"))
    def pdf(self, document: Document) -> SafeString | str:
        if document.status != Document.Status.ISSUED:
            return "–"
        address = reverse("document_pdf", args=[document.public_id])
        return format_html('<a class="portal-link" href="{}">{}</a>', address, _("Open"))


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnlyAdmin):
    list_display = ("legal_entity", "kind", "year", "last_number")
    list_filter = ("kind", "year", "legal_entity")
    list_select_related = ("legal_entity",)
