"""Charge points: a list, what they do at this moment, and what an operator may ask of them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Driver
from accounts.portal import AuditedAdmin
from accounts.services import audit
from common.confirmation import ActionForm, confirmed_action
from config.admin.network_page import charge_point_now, network_now, with_connector_counts
from config.admin.station_commands import StationCommandPages
from locations.models import ChargePoint, Connector, Evse
from locations.services.admission import set_admission
from locations.services.credentials import issue_key
from ocpp_gateway.services.key_rotation import rotate_key
from ocpp_gateway.services.remote import remote_start


class EvseInline(TabularInline):
    model = Evse
    extra = 0
    fields = ("number",)
    can_delete = False


class ConnectorInline(TabularInline):
    model = Connector
    extra = 0
    fields = ("number", "evse", "standard", "power_type", "max_power_w", "code")
    can_delete = False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """An EVSE of this charge point only."""
        if db_field.name == "evse":
            point_id = request.resolver_match.kwargs.get("object_id") if request.resolver_match else None
            kwargs["queryset"] = Evse.objects.filter(charge_point=point_id).select_related("charge_point")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Evse)
class EvseAdmin(AuditedAdmin):
    list_display = ("charge_point", "number")
    search_fields = ("charge_point__identity",)
    list_select_related = ("charge_point",)
    autocomplete_fields = ("charge_point",)


class NewKeyForm(ActionForm):
    """How the new key gets to the charge point."""

    way = forms.ChoiceField(
        label=gettext_lazy("How it gets there"),
        choices=[
            ("shown", gettext_lazy("Show it to me: I enter it at the charge point")),
            ("sent", gettext_lazy("Send it over the present connection: nobody sees it")),
        ],
        initial="shown",
        required=False,
        widget=UnfoldAdminSelectWidget,
    )


class RemoteStartForm(ActionForm):
    """Who is to charge, and where."""

    connector = forms.ModelChoiceField(
        label=gettext_lazy("Connector"), queryset=Connector.objects.none(), widget=UnfoldAdminSelectWidget
    )
    driver = forms.CharField(
        label=gettext_lazy("Customer"),
        help_text=gettext_lazy("Their e-mail address or the id tag of one of their cards."),
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, charge_point: ChargePoint, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connectors = Connector.objects.filter(charge_point=charge_point).select_related("charge_point")
        self.fields["connector"].queryset = connectors.order_by("number")  # type: ignore[attr-defined]

    def clean_driver(self) -> Driver:
        text = self.cleaned_data["driver"].strip()
        driver = Driver.objects.filter(email__iexact=text).first()
        driver = driver or Driver.objects.filter(tokens__id_tag__iexact=text).first()
        if driver is None:
            raise forms.ValidationError(_("No customer has this e-mail address or card."))
        return driver


@admin.register(ChargePoint)
class ChargePointAdmin(StationCommandPages, AuditedAdmin):
    list_display = (
        "identity",
        "location",
        "connection_label",
        "last_seen_at",
        "connector_words",
        "model",
        "admission_label",
    )
    list_filter = ("is_connected", "admission", "location", "location__region", "model", "ocpp_version")
    search_fields = ("identity", "serial_number", "location__name", "connectors__code")
    list_select_related = ("location", "model")
    autocomplete_fields = ("location",)
    readonly_fields = (
        "admission", "is_connected", "last_seen_at", "last_boot_at", "clock_offset_seconds", "created_at",
    )  # fmt: skip
    csv_columns = (
        "identity", "location__code", "model__vendor", "model__name", "admission", "is_connected", "last_seen_at",
        "serial_number", "firmware_version", "ocpp_version", "security_profile",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("identity", "location", "model", "ocpp_version", "security_profile")}),
        (gettext_lazy("As it reported itself"), {"fields": ("serial_number", "firmware_version")}),
        (gettext_lazy("Record"), {"fields": readonly_fields}),
    )
    inlines = (EvseInline, ConnectorInline)
    actions = ("send_command",)

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChargePoint]:
        return with_connector_counts(super().get_queryset(request))

    @display(description=gettext_lazy("connection"), ordering="is_connected", label={"on": "success", "off": "danger"})
    def connection_label(self, point: ChargePoint) -> tuple[str, str]:
        return ("on", _("Connected")) if point.is_connected else ("off", _("Offline"))

    @display(description=gettext_lazy("connectors"))
    def connector_words(self, point: ChargePoint) -> str:
        total, charging, faulted = point.connector_count, point.charging_count, point.faulted_count  # type: ignore[attr-defined]
        parts = [str(total)]
        if charging:
            parts.append(_("%(count)s charging") % {"count": charging})
        if faulted:
            parts.append(_("%(count)s out of order") % {"count": faulted})
        return ", ".join(parts)

    @display(
        description=gettext_lazy("admission"),
        ordering="admission",
        label={
            ChargePoint.Admission.ADMITTED: "success",
            ChargePoint.Admission.PENDING: "warning",
            ChargePoint.Admission.RETIRED: "info",
        },
    )
    def admission_label(self, point: ChargePoint) -> tuple[str, str]:
        return point.admission, point.get_admission_display()

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            path("live/", self.admin_site.admin_view(self.live_view), name="locations_chargepoint_live"),
            path(
                "<int:object_id>/live/",
                self.admin_site.admin_view(self.point_live_view),
                name="locations_chargepoint_point_live",
            ),
            self.action_page("details", self.details_view),
            self.action_page("start", self.start_view),
            self.action_page("key", self.key_view),
            self.action_page("admission", self.admission_view),
            *super().get_urls(),
        ]

    def live_view(self, request: HttpRequest) -> HttpResponse:
        """The network at this moment; asked by htmx every few seconds, it answers with the changing part alone."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = network_now()
        if request.htmx:  # type: ignore[attr-defined]
            return TemplateResponse(request, "admin/portal/network/live_part.html", context)
        context |= {**self.admin_site.each_context(request), "title": _("Live status")}
        return TemplateResponse(request, "admin/portal/network/live.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The charge point as it is now; the form with its master data is behind “Edit details”."""
        point = self.get_object(request, object_id)
        if point is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, point):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": point.identity,
            "opts": self.opts,
            "original": point,
            **charge_point_now(point.pk),
        }
        return TemplateResponse(request, "admin/portal/network/point.html", context)

    def point_live_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if self.get_object(request, str(object_id)) is None:
            raise Http404
        return TemplateResponse(request, "admin/portal/network/point_part.html", charge_point_now(object_id))

    def details_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self.changeform_view(request, str(object_id))

    def response_change(self, request: HttpRequest, obj: ChargePoint) -> HttpResponse:
        self.message_user(request, _("The details were saved."))
        return HttpResponse(status=302, headers={"Location": self._address(obj)})

    # --- actions ------------------------------------------------------------------------------------------------------

    def start_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Start a session for a customer who cannot: at their cost, by their contract."""
        point: ChargePoint = self.row_for(request, object_id, "ocpp_gateway.add_command")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("%(connector)s is asked to start a session for %(driver)s.") % cleaned,
                _("The customer pays for it, by the contract in force."),
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            session = remote_start(
                connector_id=cleaned["connector"].pk, driver_id=cleaned["driver"].pk, actor_id=request.user.pk
            )
            audit.record(
                actor_id=request.user.pk,
                action="remote_start",
                subject=cleaned["driver"],
                reason=cleaned["reason"],
                data={"session": session.pk, "connector": str(cleaned["connector"])},
            )
            return _("The start was sent. The session is %(session)s.") % {"session": session}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Start a session at %(point)s") % {"point": point},
            submit=_("Start"),
            form_class=RemoteStartForm,
            form_options={"charge_point": point},
            back_url=self._address(point),
            describe=describe,
            perform=perform,
        )

    def admission_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Approve a charge point, or take it out of service."""
        point: ChargePoint = self.row_for(request, object_id, "locations.change_chargepoint")
        approve = point.admission != ChargePoint.Admission.ADMITTED
        target = ChargePoint.Admission.ADMITTED if approve else ChargePoint.Admission.RETIRED

        def describe(cleaned: dict[str, Any]) -> list[str]:
            if approve:
                return [_("%(point)s may connect and charge.") % {"point": point}]
            return [
                _("%(point)s is no longer let in when it connects next.") % {"point": point},
                _("Its sessions, messages and documents are kept."),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            set_admission(
                charge_point_id=point.pk, admission=target, actor_id=request.user.pk, reason=cleaned["reason"]
            )
            return _("The charge point is in service.") if approve else _("The charge point is out of service.")

        title = _("Take %(point)s into service") if approve else _("Take %(point)s out of service")
        return confirmed_action(
            request,
            model_admin=self,
            title=title % {"point": point},
            submit=_("Take into service") if approve else _("Take out of service"),
            form_class=ActionForm,
            back_url=self._address(point),
            describe=describe,
            perform=perform,
        )

    def key_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Issue a new key and show it, once."""
        point: ChargePoint = self.row_for(request, object_id, "locations.change_chargepoint")
        title = _("New key for %(point)s") % {"point": point}

        def describe(cleaned: dict[str, Any]) -> list[str]:
            if cleaned["way"] == "sent":
                return [
                    _("A new random key is made and sent to %(point)s.") % {"point": point},
                    _("The present key stays valid until it accepts the new one, and for good if it refuses."),
                    _("Reason: %(reason)s") % cleaned,
                ]
            return [
                _("A new random key is made for %(point)s and shown once.") % {"point": point},
                _("The present key stays valid until the charge point has connected with the new one."),
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> str | HttpResponse:
            if cleaned["way"] == "sent":
                rotate_key(charge_point_id=point.pk, actor_id=request.user.pk, reason=cleaned["reason"])
                return _("The new key is on its way. Its answer appears among the commands.")
            key = issue_key(charge_point_id=point.pk, actor_id=request.user.pk, reason=cleaned["reason"])
            context = {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "key": key,
                "back_url": self._address(point),
            }
            return TemplateResponse(request, "admin/portal/network/key.html", context)

        response = confirmed_action(
            request,
            model_admin=self,
            title=title,
            submit=_("Make a new key"),
            form_class=NewKeyForm,
            back_url=self._address(point),
            describe=describe,
            perform=perform,
        )
        patch_cache_control(response, private=True, no_store=True)
        return response

    def _address(self, point: ChargePoint) -> str:
        return reverse("admin:locations_chargepoint_change", args=[point.pk])
