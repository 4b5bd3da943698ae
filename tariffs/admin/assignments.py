"""Portal pages of who gets which tariff where: the assignments, and the tool that explains one price."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.errors import NoContract
from accounts.models import Driver
from accounts.portal import AuditedAdmin
from accounts.selectors.contracts import contract_in_force
from accounts.services import audit
from common import clock
from common.errors import VoltledgerError
from common.portal import actor_of
from locations.models import Connector, Location
from tariffs.domain.findings import ERROR, WARNING, Finding
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import TariffAssignment
from tariffs.selectors.assignment_change import findings_elsewhere
from tariffs.selectors.assignment_map import assignment_map, shadowed_assignments
from tariffs.selectors.lint import findings_brought
from tariffs.selectors.price_card import price_card
from tariffs.selectors.resolution import resolve_tariff
from tariffs.selectors.vat import vat_percent
from tariffs.trace_words import assignment_sentence, trace_rows


class WhoPaysForm(forms.Form):
    """A connector's code and, for a customer's price, their e-mail address."""

    connector = forms.CharField(
        label=gettext_lazy("Connector"),
        help_text=gettext_lazy("The code on its label, or charge point and number such as DEMO-AC-1/2."),
        widget=UnfoldAdminTextInputWidget,
    )
    driver = forms.CharField(
        label=gettext_lazy("Customer"),
        required=False,
        help_text=gettext_lazy("Their e-mail address. Empty: nobody in particular."),
        widget=UnfoldAdminTextInputWidget,
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("Started by"), choices=TariffAssignment.Channel.choices, widget=UnfoldAdminSelectWidget
    )

    def clean_connector(self) -> Connector:
        text = self.cleaned_data["connector"].strip()
        identity, _slash, number = text.rpartition("/")
        wanted = Q(code__iexact=text)
        if identity and number.strip().isdecimal():
            wanted |= Q(charge_point__identity__iexact=identity.strip(), number=int(number))
        connector = Connector.objects.filter(wanted).select_related("charge_point__location").first()
        if connector is None:
            raise forms.ValidationError(_("There is no such connector. Copy its code from the charge point's page."))
        return connector

    def clean_driver(self) -> Driver | None:
        email = self.cleaned_data["driver"].strip()
        if not email:
            return None
        driver = Driver.objects.filter(email__iexact=email).first()
        if driver is None:
            raise forms.ValidationError(_("No customer has this e-mail address."))
        return driver


class AssignmentForm(forms.ModelForm):
    """An assignment may not bring a published tariff, its own or another, to a place where it is not allowed.

    What is doubtful, and who would be left without a tariff, is ticked one by one, as before publishing: `accepted` are
    the keys of the warnings that were on the page, the warnings themselves are known once the form is read.
    """

    warnings: Sequence[Finding] = ()
    accepted: Sequence[str] = ()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        assignment = TariffAssignment(pk=self.instance.pk, **cleaned)
        brought = [*findings_brought(assignment), *findings_elsewhere(assignment)]
        for finding in brought:
            if finding.severity == ERROR:
                self.add_error(None, finding.words)
        sent: QueryDict = self.data  # type: ignore[assignment]
        self.accepted = sent.getlist("accepted")
        self.warnings = [finding for finding in brought if finding.severity == WARNING]
        if not all(finding.is_accepted(self.accepted) for finding in self.warnings):
            self.add_error(None, _("Tick each warning that is meant to be so, or correct it."))
        return cleaned

    def warnings_shown(self) -> list[tuple[Finding, bool]]:
        """Each warning, and whether it is ticked."""
        return [(finding, finding.is_accepted(self.accepted)) for finding in self.warnings]


@admin.register(TariffAssignment)
class TariffAssignmentAdmin(AuditedAdmin):
    form = AssignmentForm
    list_display = ("sentence", "scope", "valid_from", "valid_until", "priority")
    list_filter = ("scope", "power_class", "customer_group", "contract_type", "channel", "tariff")
    search_fields = ("tariff__name", "tariff__code", "location__name", "charge_point__identity", "connector__code")
    list_select_related = (
        "tariff", "region", "location", "charge_point", "connector__charge_point", "customer_group", "contract_type",
    )  # fmt: skip
    autocomplete_fields = ("tariff", "region", "location", "charge_point", "connector")
    csv_columns = (
        "tariff__code", "scope", "country", "region__code", "location__code", "charge_point__identity",
        "connector__code", "power_class", "customer_group__code", "contract_type__code", "channel", "valid_from",
        "valid_until", "priority",
    )  # fmt: skip
    list_before_template = "admin/portal/assignment_tools.html"
    change_form_before_template = "admin/portal/assignment_warnings.html"

    class Media:
        css = {"all": ("portal/tariffs.css",)}

    def get_urls(self) -> list[URLPattern]:
        tool = path(
            "who-pays-what/",
            self.admin_site.admin_view(self.who_pays_view),
            name="tariffs_tariffassignment_who_pays",
        )
        whole_map = path(
            "map/", self.admin_site.admin_view(self.locations_view), name="tariffs_tariffassignment_locations"
        )
        one = path(
            "map/<int:location_id>/", self.admin_site.admin_view(self.map_view), name="tariffs_tariffassignment_map"
        )
        return [tool, whole_map, one, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shadowed = shadowed_assignments(at=clock.now()) if self.has_view_permission(request) else []
        return super().changelist_view(request, {**(extra_context or {}), "shadowed": shadowed})

    def locations_view(self, request: HttpRequest) -> HttpResponse:
        """The locations whose map can be opened."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        locations = Location.objects.select_related("region").annotate(
            connector_count=Count("charge_points__connectors")
        )
        context = {
            **self.admin_site.each_context(request),
            "title": _("Who pays what: locations"),
            "opts": self.opts,
            "locations": locations.order_by("name"),
        }
        return TemplateResponse(request, "admin/portal/assignment_locations.html", context)

    def map_view(self, request: HttpRequest, location_id: int) -> HttpResponse:
        """Every connector of a location with what each kind of customer pays there, and why."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        location = get_object_or_404(Location, pk=location_id)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Who pays what at %(location)s") % {"location": location},
            "opts": self.opts,
            "map": assignment_map(location, at=clock.now()),
        }
        return TemplateResponse(request, "admin/portal/assignment_map.html", context)

    def save_model(self, request: HttpRequest, obj: TariffAssignment, form: AssignmentForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.warnings:
            accepted = [{"code": finding.code, "words": finding.words} for finding in form.warnings]
            audit.record(
                actor_id=actor_of(request),
                action="assignment_warnings_accepted",
                subject=obj,
                data={"row": str(obj), "accepted_warnings": accepted},
            )

    @display(description=gettext_lazy("assignment"), ordering="tariff__name")
    def sentence(self, assignment: TariffAssignment) -> str:
        return assignment_sentence(assignment)

    def who_pays_view(self, request: HttpRequest) -> HttpResponse:
        """The price of a connector for a customer now, and why that tariff and no other."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = WhoPaysForm(data=request.GET if "connector" in request.GET else None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Who pays what here, and why?"),
            "opts": self.opts,
            "form": form,
        }
        if form.is_valid():
            try:
                context |= _who_pays(**form.cleaned_data)
            except VoltledgerError as error:
                context["refusal"] = str(error)
        return TemplateResponse(request, "admin/portal/who_pays.html", context)


def _who_pays(*, connector: Connector, driver: Driver | None, channel: str) -> dict[str, Any]:
    now = clock.now()
    contract = None
    if driver is not None:
        try:
            contract = contract_in_force(driver.pk, now)
        except NoContract:
            contract = None
    resolution = resolve_tariff(connector=connector, contract=contract, channel=channel, at=now)
    location = connector.charge_point.location
    percent = vat_percent(location.country, clock.local_date(now, location.time_zone))
    spec = parse_tariff_text(resolution.version.document)
    return {
        "connector": connector,
        "contract": contract,
        "version": resolution.version,
        "card": price_card(spec, percent, tariff_version_id=resolution.version.pk),
        "trace": trace_rows(resolution.trace),
    }
