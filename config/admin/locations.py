"""Locations, and the labels to print for their connectors."""

from dataclasses import dataclass

import segno
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.portal import AuditedAdmin
from config.selectors.stations import connectors_in_service
from locations.models import Connector, Location

# What a label is printed on: several on a sheet, or each on its own.
SIZES = {"a4": _("A4 sheet"), "label": _("One label each, 62 × 100 mm")}


@dataclass(frozen=True)
class Label:
    """A connector's sticker. `qr` is an SVG in a data URL and holds `address`."""

    connector: Connector
    address: str
    qr: str


def labels_of(location: Location) -> list[Label]:
    """A label per connector in service at a location, by charge point and number."""
    return [_label(connector) for connector in connectors_in_service().filter(charge_point__location=location)]


def _label(connector: Connector) -> Label:
    address = settings.SITE_URL + reverse("connector_qr", args=[connector.code])
    return Label(connector, address, qr_of(address).svg_data_uri(border=0, scale=4, xmldecl=False))


def qr_of(address: str) -> segno.QRCode:
    """The code of an address: a quarter of it may be scratched off and it still reads."""
    return segno.make(address, error="q", micro=False)


@admin.register(Location)
class LocationAdmin(AuditedAdmin):
    list_display = ("name", "city", "country", "region", "charge_point_total", "time_zone", "is_public")
    list_filter = ("region", "country", "is_public")
    search_fields = ("name", "code", "city", "address")
    list_select_related = ("region",)
    autocomplete_fields = ("region", "host", "legal_entity")
    csv_columns = ("code", "name", "address", "postal_code", "city", "country", "time_zone", "region__code")
    change_form_outer_before_template = "admin/portal/network/location_tools.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Location]:
        return super().get_queryset(request).annotate(charge_point_count=Count("charge_points"))

    @display(description=_("charge points"), ordering="charge_point_count")
    def charge_point_total(self, location: Location) -> int:
        return int(location.charge_point_count)  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        return [self.action_page("labels", self.labels_page), *super().get_urls()]

    def labels_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The labels of a location, made to be printed."""
        location: Location = self.row_for(request, object_id, "locations.view_connector")
        size = request.GET.get("size", "a4")
        if size not in SIZES:
            raise Http404
        context = {"location": location, "labels": labels_of(location), "size": size, "sizes": SIZES}
        return render(request, "admin/portal/network/labels.html", context)
