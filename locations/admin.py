"""Portal pages of the network's places. The charge point's own page is composed in config.admin.network."""

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.portal import AuditedAdmin
from locations.models import ChargePointModel, Connector, LegalEntity, Location, Region


@admin.register(LegalEntity)
class LegalEntityAdmin(AuditedAdmin):
    list_display = ("name", "vat_id", "city", "country", "document_prefix")
    search_fields = ("name", "vat_id")


@admin.register(Region)
class RegionAdmin(AuditedAdmin):
    list_display = ("name", "code", "country")
    list_filter = ("country",)
    search_fields = ("name", "code")


@admin.register(Location)
class LocationAdmin(AuditedAdmin):
    list_display = ("name", "city", "country", "region", "charge_point_total", "time_zone", "is_public")
    list_filter = ("region", "country", "is_public")
    search_fields = ("name", "code", "city", "address")
    list_select_related = ("region",)
    autocomplete_fields = ("region", "host", "legal_entity")
    csv_columns = ("code", "name", "address", "postal_code", "city", "country", "time_zone", "region__code")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Location]:
        return super().get_queryset(request).annotate(charge_point_count=Count("charge_points"))

    @display(description=_("charge points"), ordering="charge_point_count")
    def charge_point_total(self, location: Location) -> int:
        return int(location.charge_point_count)  # type: ignore[attr-defined]


@admin.register(ChargePointModel)
class ChargePointModelAdmin(AuditedAdmin):
    list_display = ("vendor", "name", "clock_may_be_used", "reports_current")
    list_filter = ("clock_may_be_used", "reports_current")
    search_fields = ("vendor", "name")


@admin.register(Connector)
class ConnectorAdmin(AuditedAdmin):
    list_display = ("charge_point", "number", "code", "standard", "power_class", "max_power_w", "status")
    list_filter = ("power_class", "status", "charge_point__location")
    search_fields = ("code", "charge_point__identity", "charge_point__location__name")
    list_select_related = ("charge_point",)
    autocomplete_fields = ("charge_point", "evse")
    readonly_fields = ("power_class", "status", "status_at", "error_code")
    csv_columns = ("charge_point__identity", "number", "code", "standard", "power_class", "max_power_w", "status")
