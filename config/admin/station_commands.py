"""Commands to charge points: from a charge point's page, and to a selection of the list."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from common.confirmation import confirmed_action
from common.errors import BadInput
from common.portal import PortalAdmin, actor_of
from config.admin.network_page import command_history
from locations.models import ChargePoint
from ocpp_gateway.forms.base import CommandForm
from ocpp_gateway.forms.registry import bulk_forms, form_of, grouped_forms
from ocpp_gateway.models import ConfigurationValue
from ocpp_gateway.services.operator_commands import give_command, give_command_to_many

_HISTORY_LENGTH = 50


class StationCommandPages(PortalAdmin):
    """The part of the charge points' admin that gives commands. Each page asks for ocpp_gateway.add_command."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("commands/", view(self.choose_for_many_view), name="locations_chargepoint_many"),
            path("commands/<str:action>/", view(self.command_many_view), name="locations_chargepoint_command_many"),
            self.action_page("commands", self.commands_view),
            path(
                "<int:object_id>/commands/<str:action>/", view(self.command_view), name="locations_chargepoint_command"
            ),
            *super().get_urls(),
        ]

    # --- one charge point ---------------------------------------------------------------------------------------------

    def commands_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What it can be asked, what it was asked, and what it answered."""
        point: ChargePoint = self.row_for(request, object_id, "ocpp_gateway.view_command")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Commands to %(point)s") % {"point": point},
            "opts": self.opts,
            "point": point,
            "groups": grouped_forms(point.ocpp_version) if request.user.has_perm("ocpp_gateway.add_command") else [],
            "history": command_history(point.pk, length=_HISTORY_LENGTH),
            "settings": ConfigurationValue.objects.filter(charge_point=point).order_by("key"),
        }
        return TemplateResponse(request, "admin/portal/network/commands.html", context)

    def command_view(self, request: HttpRequest, object_id: int, action: str) -> HttpResponse:
        point: ChargePoint = self.row_for(request, object_id, "ocpp_gateway.add_command")
        form_class = form_of(point.ocpp_version, action)
        if form_class is None:
            raise Http404

        def perform(cleaned: dict[str, Any]) -> str:
            give_command(
                charge_point_id=point.pk,
                action=action,
                payload=cleaned["payload"],
                actor_id=actor_of(request),
                key=cleaned["key"],
                reason=cleaned.get("reason", ""),
            )
            if point.is_connected:
                return _("The command is on its way. The answer appears below.")
            return _("%(point)s is offline. It gets the command if it connects in time.") % {"point": point}

        return self._command_page(
            request,
            form_class,
            points=[point],
            title=f"{point}: {form_class.title()}",
            back_url=reverse("admin:locations_chargepoint_commands", args=[point.pk]),
            perform=perform,
        )

    # --- a selection --------------------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Send a command…"), permissions=["command"])
    def send_command(self, request: HttpRequest, queryset: QuerySet[ChargePoint]) -> HttpResponse:
        points = ",".join(str(pk) for pk in queryset.order_by("pk").values_list("pk", flat=True))
        return HttpResponseRedirect(f"{reverse('admin:locations_chargepoint_many')}?points={points}")

    def has_command_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("ocpp_gateway.add_command"))

    def choose_for_many_view(self, request: HttpRequest) -> HttpResponse:
        points = self._selected(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _many_words(points),
            "opts": self.opts,
            "points": points,
            "forms": bulk_forms(),
            "selection": request.GET.get("points", ""),
        }
        return TemplateResponse(request, "admin/portal/network/commands_many.html", context)

    def command_many_view(self, request: HttpRequest, action: str) -> HttpResponse:
        points = self._selected(request)
        form_class = next((form for form in bulk_forms() if form.action == action), None)
        if form_class is None:
            raise Http404

        def perform(cleaned: dict[str, Any]) -> str:
            refusing = [point.identity for point in points if form_of(point.ocpp_version, action) is not form_class]
            if refusing:
                raise BadInput(
                    _("Leave out %(points)s: they speak another version of OCPP. Nothing was sent.")
                    % {"points": ", ".join(refusing)}
                )
            commands = give_command_to_many(
                charge_point_ids=[point.pk for point in points],
                action=action,
                payload=cleaned["payload"],
                actor_id=actor_of(request),
                key=cleaned["key"],
                reason=cleaned.get("reason", ""),
            )
            return ngettext(
                "The command is on its way to %(count)d charge point.",
                "The command is on its way to %(count)d charge points.",
                len(commands),
            ) % {"count": len(commands)}

        return self._command_page(
            request,
            form_class,
            points=points,
            title=f"{form_class.title()}: {_many_words(points)}",
            back_url=reverse("admin:ocpp_gateway_command_changelist"),
            perform=perform,
        )

    def _selected(self, request: HttpRequest) -> list[ChargePoint]:
        if not self.has_command_permission(request):
            raise PermissionDenied
        ids = [int(part) for part in request.GET.get("points", "").split(",") if part.isdigit()]
        points = list(ChargePoint.objects.filter(pk__in=ids).order_by("identity"))
        if not points:
            raise Http404
        return points

    def _command_page(
        self,
        request: HttpRequest,
        form_class: type[CommandForm],
        *,
        points: list[ChargePoint],
        title: str,
        back_url: str,
        perform: Callable[[dict[str, Any]], str],
    ) -> HttpResponse:
        """The form, its confirmation where it is dangerous, and the deed."""

        def describe(cleaned: dict[str, Any]) -> list[str]:
            names = ", ".join(point.identity for point in points)
            return [
                _("%(command)s: %(points)s") % {"command": form_class.title(), "points": names},
                *cleaned["consequences"],
                _("Reason: %(reason)s") % cleaned,
            ]

        return confirmed_action(
            request,
            model_admin=self,
            title=title,
            intro=str(form_class.explanation),
            submit=_("Send") if not form_class.is_dangerous else form_class.title(),
            form_class=form_class,
            form_options={"charge_point": points[0] if len(points) == 1 else None},
            back_url=back_url,
            describe=describe,
            perform=perform,
            is_one_step=not form_class.is_dangerous,
        )


def _many_words(points: list[ChargePoint]) -> str:
    return ngettext("%(count)d charge point", "%(count)d charge points", len(points)) % {"count": len(points)}
