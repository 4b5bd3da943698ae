"""Portal pages of the network's places. Locations and charge points are composed in config.admin."""

from django.contrib import admin

from accounts.portal import AuditedAdmin
from locations.models import ChargePointModel, Connector, LegalEntity, Region


@admin.register(LegalEntity)
class LegalEntityAdmin(AuditedAdmin):
    list_display = ("name", "vat_id", "city", "country", "document_prefix")
    search_fields = ("name", "vat_id")


@admin.register(Region)
class RegionAdmin(AuditedAdmin):
    list_display = ("name", "code", "country")
    list_filter = ("country",)
    search_fields = ("name", "code")


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
