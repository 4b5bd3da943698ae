"""What charge points said: the message log, security events, firmware and log reports, settings."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.portal import ReadOnlyAdmin, link_to
from ocpp_gateway.models import ConfigurationValue, OcppMessage, SecurityEvent, TransferReport


class StationRecordAdmin(ReadOnlyAdmin):
    """Rows of one charge point each."""

    list_select_related = ("charge_point",)

    @display(description=_("charge point"), ordering="charge_point__identity")
    def charge_point_link(self, row: Any) -> SafeString | str:
        return link_to(row.charge_point)


@admin.register(OcppMessage)
class OcppMessageAdmin(StationRecordAdmin):
    list_display = ("at", "charge_point_link", "direction", "kind", "action", "start_of_frame")
    list_filter = ("direction", "kind", "action")
    search_fields = ("charge_point__identity", "unique_id")
    date_hierarchy = "at"
    csv_columns = ("at", "charge_point__identity", "direction", "kind", "action", "unique_id", "frame")

    @display(description=_("frame"))
    def start_of_frame(self, message: OcppMessage) -> str:
        return message.frame if len(message.frame) <= 100 else f"{message.frame[:100]}…"


@admin.register(SecurityEvent)
class SecurityEventAdmin(StationRecordAdmin):
    list_display = ("received_at", "charge_point_link", "type", "attention_label", "tech_info", "reported_at")
    list_filter = ("needs_attention", "type")
    search_fields = ("charge_point__identity", "type", "tech_info")
    date_hierarchy = "received_at"
    csv_columns = (
        "received_at", "charge_point__identity", "type", "needs_attention", "tech_info", "reported_at",
    )  # fmt: skip

    @display(description=_("importance"), ordering="needs_attention", label={"alarm": "danger", "routine": "info"})
    def attention_label(self, event: SecurityEvent) -> tuple[str, str]:
        return ("alarm", gettext("Needs attention")) if event.needs_attention else ("routine", gettext("Routine"))


@admin.register(TransferReport)
class TransferReportAdmin(StationRecordAdmin):
    list_display = ("received_at", "charge_point_link", "topic", "status_label", "request_id")
    list_filter = ("topic", "status")
    search_fields = ("charge_point__identity",)
    date_hierarchy = "received_at"
    csv_columns = ("received_at", "charge_point__identity", "topic", "status", "request_id")

    @display(description=_("status"), ordering="status", label={"failed": "danger", "step": "info"})
    def status_label(self, report: TransferReport) -> tuple[str, str]:
        return "failed" if report.status in TransferReport.FAILED else "step", report.status


@admin.register(ConfigurationValue)
class ConfigurationValueAdmin(StationRecordAdmin):
    list_display = ("charge_point_link", "key", "value", "is_readonly", "is_supported", "needs_reboot", "read_at")
    list_filter = ("is_supported", "is_readonly", "needs_reboot", "key")
    search_fields = ("charge_point__identity", "key")
    csv_columns = (
        "charge_point__identity", "key", "value", "is_readonly", "is_supported", "needs_reboot", "read_at",
    )  # fmt: skip
