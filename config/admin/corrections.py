"""Price corrections in the portal: make one, see what it would change, let somebody else approve it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from billing.models import PriceCorrection, SessionCorrection
from billing.selectors.corrections import totals_of
from billing.services.corrections import approve_correction, draft_correction, reject_correction
from common.confirmation import ActionForm, confirmed_action, confirmed_decision
from common.errors import BadInput
from common.portal import ReadOnlyAdmin, actor_of
from common.portal_values import show_amount
from common.spreadsheets import csv_file
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import Tariff, TariffVersion

# The preview shows this many of those who gain or would lose most; the export has all.
SHOWN = 25


class CorrectionForm(ActionForm):
    tariff = forms.ModelChoiceField(
        label=gettext_lazy("Tariff"), queryset=Tariff.objects.order_by("name"), widget=UnfoldAdminSelectWidget
    )
    first_day = forms.DateField(
        label=gettext_lazy("First day"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=gettext_lazy("Sessions that began on these days are priced again."),
    )
    version = forms.ModelChoiceField(
        label=gettext_lazy("Priced as in"),
        queryset=TariffVersion.objects.select_related("tariff").order_by("tariff__name", "-number"),
        required=False,
        help_text=gettext_lazy(
            "A version with the prices as they should have been, such as a draft made in the editor."
        ),
        widget=UnfoldAdminSelectWidget,
    )
    document = forms.CharField(
        label=gettext_lazy("or as OCPI JSON"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )

    def clean_document(self) -> str:
        """Every defect of the price list, by its path."""
        text = str(self.cleaned_data["document"])
        if text:
            try:
                parse_tariff_text(text)
            except BadInput as error:
                raise forms.ValidationError([error.message, *error.details]) from error
        return text

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", _("The last day is before the first."))
        version: TariffVersion | None = cleaned.get("version")
        if bool(version) is bool(self.data.get("document")):
            self.add_error("version", _("Choose a version or write the prices as OCPI JSON, one of the two."))
        elif version is not None:
            cleaned["document"] = version.document
        return cleaned


def terms_of(cleaned: dict[str, Any]) -> dict[str, Any]:
    return {
        "tariff_id": cleaned["tariff"].pk,
        "ocpi_text": cleaned["document"],
        "since": _start_of(cleaned["first_day"]),
        "until": _start_of(cleaned["last_day"] + timedelta(days=1)),
        "reason": cleaned["reason"],
    }


def _start_of(day: date) -> datetime:
    """Midnight of a day of the operator's, as UTC."""
    return datetime.combine(day, time(0), ZoneInfo(settings.TIME_ZONE)).astimezone(UTC)


@admin.register(PriceCorrection)
class PriceCorrectionAdmin(ReadOnlyAdmin):
    list_display = ("number", "tariff", "since", "until", "state_label", "author", "created_at", "decided_by")
    list_filter = ("state", "tariff")
    search_fields = ("reason", "tariff__name", "tariff__code")
    list_select_related = ("tariff", "author", "decided_by")
    csv_columns = (
        "pk", "tariff__code", "since", "until", "state", "reason", "author__email", "created_at", "decided_by__email",
        "decided_at", "applied_at",
    )  # fmt: skip
    list_before_template = "admin/portal/correction/new_link.html"

    @display(description=gettext_lazy("no."), ordering="pk")
    def number(self, correction: PriceCorrection) -> str:
        return f"#{correction.pk}"

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={"previewed": "warning", "approved": "info", "applied": "success", "rejected": "default"},
    )
    def state_label(self, correction: PriceCorrection) -> tuple[str, str]:
        return correction.state, str(correction.get_state_display())

    def get_urls(self) -> list[URLPattern]:
        return [
            path("new/", self.admin_site.admin_view(self.new_view), name="billing_pricecorrection_new"),
            self.action_page("approve", self.approve_view),
            self.action_page("reject", self.reject_view),
            path(
                "<int:object_id>/sessions/",
                self.admin_site.admin_view(self.sessions_view),
                name="billing_pricecorrection_sessions",
            ),
            *super().get_urls(),
        ]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Say what a tariff should have been; it is previewed in the background."""
        if not request.user.has_perm("billing.add_pricecorrection"):
            raise PermissionDenied

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("Sessions priced by “%(tariff)s” that began from %(first)s to %(last)s are priced again.")
                % {
                    "tariff": cleaned["tariff"],
                    "first": date_format(cleaned["first_day"]),
                    "last": date_format(cleaned["last_day"]),
                },
                *([_("The prices are those of %(version)s.") % cleaned] if cleaned["version"] else ()),
                _("Nothing changes for anybody yet: the result is shown, and somebody else approves it."),
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            draft_correction(author_id=actor_of(request), **terms_of(cleaned))
            return _("The sessions are being priced again. The result is shown here in a moment.")

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Correct a tariff for the past"),
            submit=_("Compute it"),
            form_class=CorrectionForm,
            back_url=reverse("admin:billing_pricecorrection_changelist"),
            describe=describe,
            perform=perform,
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        correction = self.get_object(request, object_id)
        if correction is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, correction):
            raise PermissionDenied
        totals = totals_of(correction)
        labels = dict(SessionCorrection.State.choices)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Price correction #%(number)s") % {"number": correction.pk},
            "opts": self.opts,
            "correction": correction,
            "totals": totals,
            "counts": [(state, labels[state], count) for state, count in sorted(totals.counts.items())],
            "winners": self._rows(correction, "planned", "applied").order_by("-refund", "charging_session_id")[:SHOWN],
            "others": self._rows(correction, "waived", "problem", "failed")[:SHOWN],
            "waits": correction.state == PriceCorrection.State.PREVIEWED,
        }
        return TemplateResponse(request, "admin/portal/correction/page.html", context)

    def _rows(self, correction: PriceCorrection, *states: str) -> QuerySet[SessionCorrection]:
        return correction.sessions.filter(state__in=states).select_related("charging_session__driver")

    def sessions_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Every session of a correction, as CSV."""
        correction: PriceCorrection = self.row_for(request, object_id, "billing.view_pricecorrection")
        columns = (
            "charging_session_id", "charging_session__started_at", "charging_session__driver__name", "currency",
            "old_gross", "new_gross", "refund", "covered", "state", "problem", "note",
        )  # fmt: skip
        heading = [column.replace("charging_session__", "").replace("__", "_") for column in columns]
        rows = correction.sessions.values_list(*columns).iterator(chunk_size=2000)
        return csv_file(f"price-correction-{correction.pk}.csv", heading, rows)

    def approve_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        correction: PriceCorrection = self.row_for(request, object_id, "billing.change_pricecorrection")
        totals = totals_of(correction)
        planned = totals.counts.get(SessionCorrection.State.PLANNED, 0)

        def decide(actor_id: int, reason: str) -> str:
            approve_correction(correction_id=correction.pk, actor_id=actor_id, reason=reason)
            return _("The correction is approved and being applied.")

        return confirmed_decision(
            request,
            correction,
            model_admin=self,
            title=_("Approve the correction"),
            submit=_("Approve it"),
            sentences=[
                ngettext(
                    "%(amount)s goes back to whoever paid, for %(count)s session.",
                    "%(amount)s goes back to whoever paid, for %(count)s sessions.",
                    planned,
                )
                % {"amount": show_amount(totals.refund, totals.currency), "count": planned},
                _("%(amount)s by which sessions would have become dearer is not charged.")
                % {"amount": show_amount(totals.waived, totals.currency)},
                _("This cannot be undone."),
            ],
            decide=decide,
        )

    def reject_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        correction: PriceCorrection = self.row_for(request, object_id, "billing.change_pricecorrection")

        def decide(actor_id: int, reason: str) -> str:
            reject_correction(correction_id=correction.pk, actor_id=actor_id, reason=reason)
            return _("The correction is rejected. Nothing has changed.")

        return confirmed_decision(
            request,
            correction,
            model_admin=self,
            title=_("Reject the correction"),
            submit=_("Reject it"),
            sentences=[_("Nothing of this correction is applied.")],
            decide=decide,
        )
