"""Portal page of the VAT rates."""

from django.contrib import admin

from accounts.portal import AuditedAdmin
from tariffs.models import VatRate


@admin.register(VatRate)
class VatRateAdmin(AuditedAdmin):
    list_display = ("country", "percent", "valid_from")
    list_filter = ("country",)
    csv_columns = ("country", "percent", "valid_from")
