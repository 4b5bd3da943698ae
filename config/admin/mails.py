"""Mails to drivers, for reading: which went out, which could not."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from billing.models import DriverMail
from common.portal import ReadOnlyAdmin, link_to

Status = DriverMail.Status


@admin.register(DriverMail)
class DriverMailAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "driver_link", "kind", "subject", "status_label", "attempts", "sent_at")
    list_filter = ("status", "kind")
    search_fields = ("driver__name", "driver__email", "address", "subject")
    list_select_related = ("driver",)
    date_hierarchy = "created_at"
    csv_columns = ("created_at", "driver__name", "kind", "status", "address", "subject", "attempts", "sent_at", "note")
    fields = (
        "driver", "kind", "status", "note", "address", "subject", "attempts", "next_attempt_at", "created_at",
        "sent_at", "payment", "hold", "charging_session",
    )  # fmt: skip

    @display(description=_("driver"), ordering="driver__name")
    def driver_link(self, mail: DriverMail) -> SafeString | str:
        return link_to(mail.driver)

    @display(
        description=_("status"),
        ordering="status",
        label={Status.SENT: "success", Status.FAILED: "danger", Status.UNCLEAR: "warning", Status.QUEUED: "info"},
    )
    def status_label(self, mail: DriverMail) -> tuple[str, str]:
        return mail.status, mail.get_status_display()
