"""Portal pages of documents: found, read and downloaded, never edited."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.portal import ReadOnlyAdmin, ReadOnlyInline, link_to
from common.portal_values import show_amount, show_number
from invoicing.models import Document, DocumentLine, DocumentVatTotal, NumberSeries


class LineInline(ReadOnlyInline):
    model = DocumentLine
    fields = ("seq", "description", "quantity_shown", "unit", "unit_price_shown", "vat_shown", "gross_shown")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DocumentLine]:
        return super().get_queryset(request).select_related("document")

    @display(description=_("quantity"))
    def quantity_shown(self, line: DocumentLine) -> str:
        return show_number(line.quantity)

    @display(description=_("unit price with VAT"))
    def unit_price_shown(self, line: DocumentLine) -> str:
        return show_number(line.unit_price)

    @display(description=_("VAT (%)"))
    def vat_shown(self, line: DocumentLine) -> str:
        return show_number(line.vat_percent)

    @display(description=_("gross"))
    def gross_shown(self, line: DocumentLine) -> str:
        return show_amount(line.gross, line.document.currency)


class VatTotalInline(ReadOnlyInline):
    model = DocumentVatTotal
    fields = ("category", "country", "percent_shown", "net_shown", "vat_shown", "gross_shown")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DocumentVatTotal]:
        return super().get_queryset(request).select_related("document")

    @display(description=_("VAT (%)"))
    def percent_shown(self, total: DocumentVatTotal) -> str:
        return show_number(total.percent)

    @display(description=_("net"))
    def net_shown(self, total: DocumentVatTotal) -> str:
        return show_amount(total.net, total.document.currency)

    @display(description=_("VAT"))
    def vat_shown(self, total: DocumentVatTotal) -> str:
        return show_amount(total.vat, total.document.currency)

    @display(description=_("gross"))
    def gross_shown(self, total: DocumentVatTotal) -> str:
        return show_amount(total.gross, total.document.currency)


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
