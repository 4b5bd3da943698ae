"""A version looked at before it is published: its week, and what a session would cost."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _

from common.errors import BadInput
from common.portal import PortalAdmin
from tariffs.admin.pages import pretty, version_address
from tariffs.admin.places import known_places
from tariffs.admin.week_page import WeekForm, counts_month, week_table
from tariffs.admin.what_if import Outcome, WhatIfForm, outcome
from tariffs.domain.exchange import OcpiVersion
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import TariffVersion
from tariffs.selectors.in_force import version_in_force
from tariffs.services.exchange import export_tariff

VIEW = "tariffs.view_tariffversion"


class VersionTools(PortalAdmin):
    """The pages about one version that change nothing, for the admin of TariffVersion."""

    def get_urls(self) -> list[URLPattern]:
        pages = [
            self.action_page("week", self.week_view),
            self.action_page("what-if", self.what_if_view),
            self.action_page("export", self.export_view),
        ]
        return [*pages, *super().get_urls()]

    def week_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The price of a kWh at every time of a week."""
        version: TariffVersion = self.row_for(request, object_id, VIEW)
        spec = parse_tariff_text(version.document)
        form = WeekForm(request.GET or None, known_places(), asks_month=counts_month(spec))
        question = form.question()
        context = self._about(request, version, _("Prices of the week: %(version)s")) | {
            "form": form,
            "week": week_table(spec, form.places[question["place"]], question),
        }
        return TemplateResponse(request, "admin/tariffs/week.html", context)

    def what_if_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The price of one session, line by line, beside what it costs under the version in force."""
        version: TariffVersion = self.row_for(request, object_id, VIEW)
        form = WhatIfForm(request.GET if "kwh" in request.GET else None, known_places())
        context = self._about(request, version, _("What would it cost? %(version)s")) | {"form": form}
        if form.is_valid():
            place = form.places[form.cleaned_data["place"]]
            current = version_in_force(version.tariff_id)
            new = outcome(parse_tariff_text(version.document), form.cleaned_data, place)
            context |= {"outcome": new, "current": current, "is_current": current == version}
            if current is not None and current != version:
                old = outcome(parse_tariff_text(current.document), form.cleaned_data, place)
                difference = _difference(new, old)
                context |= {"old": old, "difference": difference, "saving": difference and -difference}
        return TemplateResponse(request, "admin/tariffs/what_if.html", context)

    def export_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The version as a file for roaming partners, in the OCPI version that is asked for."""
        version: TariffVersion = self.row_for(request, object_id, VIEW)
        try:
            ocpi = OcpiVersion(request.GET.get("ocpi", OcpiVersion.V230.value))
        except ValueError as error:
            raise Http404 from error
        try:
            text = pretty(export_tariff(version, ocpi=ocpi))
        except BadInput as error:
            self.message_user(request, " ".join([str(error), *error.details]), messages.ERROR)
            return HttpResponseRedirect(version_address(version))
        name = f"{version.tariff.code}-v{version.number}-ocpi-{ocpi.value}.json"
        return HttpResponse(
            text, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    def _about(self, request: HttpRequest, version: TariffVersion, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title % {"version": version},
            "opts": self.opts,
            "version": version,
            "back_url": version_address(version),
        }


def _difference(new: Outcome, old: Outcome) -> Decimal | None:
    if new.payable is None or old.payable is None:
        return None
    return new.payable.gross - old.payable.gross
