"""Portal pages of what charge points say and are told."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.portal import ReadOnlyAdmin, link_to
from ocpp_gateway.models import Command, OcppMessage


@admin.register(OcppMessage)
class OcppMessageAdmin(ReadOnlyAdmin):
    list_display = ("at", "charge_point_link", "direction", "kind", "action", "start_of_frame")
    list_filter = ("direction", "kind", "action")
    search_fields = ("charge_point__identity", "unique_id")
    list_select_related = ("charge_point",)
    date_hierarchy = "at"
    csv_columns = ("at", "charge_point__identity", "direction", "kind", "action", "unique_id", "frame")

    @display(description=_("charge point"), ordering="charge_point__identity")
    def charge_point_link(self, message: OcppMessage) -> SafeString | str:
        return link_to(message.charge_point)

    @display(description=_("frame"))
    def start_of_frame(self, message: OcppMessage) -> str:
        return message.frame if len(message.frame) <= 100 else f"{message.frame[:100]}…"


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "charge_point_link", "action", "status_label", "actor", "session", "error_code")
    list_filter = ("status", "action")
    search_fields = ("charge_point__identity", "unique_id")
    list_select_related = ("charge_point", "actor", "charging_session")
    csv_columns = ("created_at", "charge_point__identity", "action", "status", "sent_at", "resolved_at", "error_code")

    @display(description=_("charge point"), ordering="charge_point__identity")
    def charge_point_link(self, command: Command) -> SafeString | str:
        return link_to(command.charge_point)

    @display(description=_("session"))
    def session(self, command: Command) -> SafeString | str:
        return link_to(command.charging_session)

    @display(
        description=_("status"),
        ordering="status",
        label={
            Command.Status.ACCEPTED: "success",
            Command.Status.REJECTED: "danger",
            Command.Status.TIMED_OUT: "danger",
            Command.Status.EXPIRED: "warning",
            Command.Status.QUEUED: "info",
            Command.Status.SENT: "info",
        },
    )
    def status_label(self, command: Command) -> tuple[str, str]:
        return command.status, command.get_status_display()
