"""Portal pages of the price series: what is known of the next two days, what came in, and bringing in more."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from accounts.portal import AuditedAdmin
from common import clock
from common.confirmation import ActionForm, confirmed_action
from common.errors import BadInput, Refused
from common.formats import number_words
from common.portal import ReadOnlyAdmin, ReadOnlyInline, actor_of, link_to
from tariffs.admin.price_chart import PRICE_PLACES, price_chart
from tariffs.domain.price_file import MOST_BYTES, PricePoint, PriceUnit, read_price_file
from tariffs.models import PriceImport, PriceSeries
from tariffs.providers.price_files import check_source
from tariffs.selectors.price_series import standing_of, steps_between
from tariffs.services.price_pull import queue_pull
from tariffs.services.price_series import Changes, compare_prices, import_prices, terms_of

AHEAD = timedelta(hours=48)
ROWS_SHOWN = 200


class PriceSeriesForm(forms.ModelForm):
    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"].strip()
        if source:
            try:
                check_source(source)
            except Refused as error:
                raise ValidationError(str(error.message)) from error
        return source

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("source") and not cleaned.get("source_unit"):
            self.add_error("source_unit", _("Say what the prices of the source are per."))
        if cleaned.get("region") and cleaned.get("charge_point"):
            self.add_error("charge_point", _("A series is for a region or for a charge point, not for both."))
        return cleaned


class UploadForm(forms.Form):
    """A file and the unit of its prices, which nobody guesses."""

    file = forms.FileField(label=gettext_lazy("CSV file"), widget=UnfoldAdminFileFieldWidget)
    unit = forms.ChoiceField(
        label=gettext_lazy("Its prices are"),
        choices=[("", gettext_lazy("Please choose")), *PriceSeries.Unit.choices],
        widget=UnfoldAdminSelectWidget,
    )

    def content(self) -> str:
        """The file as text. Raises BadInput."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise BadInput(details=[_("The file is larger than %(most)s bytes.") % {"most": MOST_BYTES}])
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadInput(details=[_("The file is not UTF-8 text.")]) from error
        return text


class CheckedForm(forms.Form):
    """What was previewed, sent again to be taken over."""

    name = forms.CharField(max_length=200)
    unit = forms.ChoiceField(choices=PriceSeries.Unit.choices)
    content = forms.CharField(strip=False)


class ImportInline(ReadOnlyInline):
    model = PriceImport
    fields = ("created_at", "origin", "source", "status", "added", "changed", "unchanged", "starts_at", "ends_at")
    show_change_link = True
    per_page = 20
    tab = True


@admin.register(PriceSeries)
class PriceSeriesAdmin(AuditedAdmin):
    form = PriceSeriesForm
    list_display = ("code", "name", "place", "currency", "step_minutes", "known_until")
    list_filter = ("currency", "step_minutes")
    search_fields = ("code", "name")
    list_select_related = ("region", "charge_point")
    csv_columns = ("code", "name", "currency", "step_minutes", "region__code", "charge_point__identity", "source")
    autocomplete_fields = ("charge_point",)
    inlines = (ImportInline,)
    change_form_outer_before_template = "admin/portal/price_series.html"
    # Values and tariffs depend on them.
    fixed_fields = ("code", "currency", "step_minutes", "time_zone", "region", "charge_point")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceSeries]:
        taken = Q(imports__status=PriceImport.Status.TAKEN)
        return super().get_queryset(request).annotate(last_ends_at=Max("imports__ends_at", filter=taken))

    def get_readonly_fields(self, request: HttpRequest, obj: PriceSeries | None = None) -> tuple[str, ...]:
        return self.fixed_fields if obj else ()

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("upload", self.upload_view),
            self.action_page("pull", self.pull_view),
            *super().get_urls(),
        ]

    @display(description=gettext_lazy("for"))
    def place(self, series: PriceSeries) -> str:
        return str(series.charge_point or series.region or _("everywhere"))

    @display(description=gettext_lazy("known until"), ordering="last_ends_at")
    def known_until(self, series: PriceSeries) -> str:
        ends_at: datetime | None = series.last_ends_at  # type: ignore[attr-defined]
        return _local(series, ends_at) if ends_at else _("no prices yet")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        series = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if series is not None:
            standing = standing_of(series)
            start_at = clock.now().replace(minute=0, second=0, microsecond=0)
            context |= {
                "chart": price_chart(steps_between(series, start_at, start_at + AHEAD), series.time_zone),
                "taken": standing.taken,
                "taken_until": _local(series, standing.taken.ends_at) if standing.taken else "",
                "refused": standing.refused,
            }
        return super().change_view(request, object_id, form_url, context)

    def upload_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Choose a file; see what it would change, or every defect; take it over."""
        series: PriceSeries = self.row_for(request, object_id, "tariffs.add_priceimport")
        back = reverse("admin:tariffs_priceseries_change", args=[series.pk])
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Bring in prices for %(series)s") % {"series": series},
            "series": series,
            "back_url": back,
            "opts": self.opts,
            "form": UploadForm(),
        }
        if request.method == "POST":
            try:
                if "confirmed" in request.POST:
                    return self._take_over(request, series, back)
                context |= self._preview(request, series)
            except BadInput as error:
                context |= {"defects": error.details, "form": UploadForm(initial={"unit": request.POST.get("unit")})}
        return TemplateResponse(request, "admin/portal/price_upload.html", context)

    def _preview(self, request: HttpRequest, series: PriceSeries) -> dict[str, Any]:
        form = UploadForm(request.POST, request.FILES)
        if not form.is_valid():
            return {"form": form}
        text, unit = form.content(), form.cleaned_data["unit"]
        points = read_price_file(text.encode(), terms_of(series), PriceUnit(unit))
        changes = compare_prices(series, points)
        return {
            "form": form,
            "content": text,
            "unit": unit,
            "name": form.cleaned_data["file"].name[:200],
            "changes": changes,
            "rows": _rows(series, points[:ROWS_SHOWN], changes),
            "more": max(len(points) - ROWS_SHOWN, 0),
            "first": _local(series, points[0].start_at),
            "last": _local(series, points[-1].start_at + terms_of(series).step),
        }

    def _take_over(self, request: HttpRequest, series: PriceSeries, back: str) -> HttpResponse:
        form = CheckedForm(request.POST)
        if not form.is_valid():
            raise BadInput(details=[_("What was previewed did not come back whole. Choose the file again.")])
        rows = read_price_file(
            form.cleaned_data["content"].encode(), terms_of(series), PriceUnit(form.cleaned_data["unit"])
        )
        taken = import_prices(
            series_id=series.pk,
            rows=rows,
            source=form.cleaned_data["name"],
            actor_id=actor_of(request),
            origin=PriceImport.Origin.UPLOAD,
        )
        self.message_user(
            request,
            _("Taken over: %(added)s new prices, %(changed)s corrected, %(unchanged)s as before.")
            % {"added": taken.added, "changed": taken.changed, "unchanged": taken.unchanged},
        )
        return HttpResponseRedirect(back)

    def pull_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        series: PriceSeries = self.row_for(request, object_id, "tariffs.add_priceimport")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("%(source)s is read in the background.") % {"source": series.source or _("Nothing")},
                _("New prices are added and corrected ones taken over; nothing is taken away."),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            queue_pull(series_id=series.pk)
            return _("The prices are being fetched. What came in, or why not, stands on this page in a moment.")

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Fetch %(series)s now") % {"series": series},
            submit=_("Fetch"),
            form_class=ActionForm,
            back_url=reverse("admin:tariffs_priceseries_change", args=[series.pk]),
            describe=describe,
            perform=perform,
        )


@admin.register(PriceImport)
class PriceImportAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "series", "origin", "status", "added", "changed", "unchanged")
    list_filter = ("status", "origin")
    list_select_related = ("series__region", "series__charge_point")
    csv_columns = ("created_at", "series__code", "origin", "source", "status", "added", "changed", "problem")
    fields = (
        "series_link", "created_at", "origin", "source", "status", "added", "changed", "unchanged", "starts_at",
        "ends_at", "problem", "actor",
    )  # fmt: skip
    readonly_fields = fields

    @display(description=gettext_lazy("series"))
    def series_link(self, row: PriceImport) -> str:
        return link_to(row.series)


def _local(series: PriceSeries, moment: datetime | None) -> str:
    return "–" if moment is None else date_format(moment.astimezone(ZoneInfo(series.time_zone)), "DATETIME_FORMAT")


def _rows(series: PriceSeries, points: list[PricePoint], changes: Changes) -> list[tuple[str, str, str]]:
    """(from, price, what it does) per row."""

    def what(point: PricePoint) -> str:
        before: Decimal | None = changes.before.get(point.start_at)
        if before is None:
            return _("new")
        if before == point.price:
            return _("as before")
        return _("instead of %(price)s") % {"price": number_words(before, PRICE_PLACES)}

    return [(_local(series, point.start_at), number_words(point.price, PRICE_PLACES), what(point)) for point in points]
