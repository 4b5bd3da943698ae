"""What charge points were asked to do, and what they answered."""

import json
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from common.portal import ReadOnlyAdmin, link_to
from ocpp_gateway.domain.masking import mask_payload
from ocpp_gateway.models import Command
from ocpp_gateway.words import action_words, answer_words


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "charge_point_link", "command", "status_label", "answer", "actor", "session")
    list_filter = ("status", "action")
    search_fields = ("charge_point__identity", "unique_id")
    list_select_related = ("charge_point", "actor", "charging_session")
    csv_columns = ("created_at", "charge_point__identity", "action", "status", "sent_at", "resolved_at", "error_code")
    fields = (
        "charge_point_link", "command", "status_label", "answer", "session", "actor", "created_at", "expires_at",
        "sent_at", "attempts", "resolved_at", "as_asked", "as_answered",
    )  # fmt: skip
    readonly_fields = fields

    @display(description=_("charge point"), ordering="charge_point__identity")
    def charge_point_link(self, command: Command) -> SafeString | str:
        return link_to(command.charge_point)

    @display(description=_("command"), ordering="action")
    def command(self, command: Command) -> str:
        return action_words(command.action)

    @display(description=_("answer"))
    def answer(self, command: Command) -> str:
        return answer_words(command) if command.resolved_at is not None else "–"

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

    @display(description=_("as it was asked"))
    def as_asked(self, command: Command) -> SafeString:
        return _json({command.action: mask_payload(command.action, command.payload)})

    @display(description=_("as it was answered"))
    def as_answered(self, command: Command) -> SafeString | str:
        return "–" if command.response is None else _json(command.response)


def _json(value: dict[str, Any]) -> SafeString:
    return format_html('<pre class="portal-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))
