"""Portal pages of tariffs and their versions."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.portal import AuditedAdmin
from common import clock
from common.confirmation import ActionForm, confirmed_action
from common.errors import BadInput, VoltledgerError
from common.portal import ReadOnlyAdmin, ReadOnlyInline, link_to
from tariffs.domain.findings import WARNING, Finding
from tariffs.domain.jsontext import dumps, loads
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import Tariff, TariffAssignment, TariffVersion, VatRate
from tariffs.selectors.lint import findings_for
from tariffs.selectors.price_card import PriceCard, price_card
from tariffs.services.versions import draft_version, publish_version, withdraw_version


class VersionInline(ReadOnlyInline):
    model = TariffVersion
    fields = ("number", "status", "valid_from", "published_at", "published_by")
    show_change_link = True
    tab = True


class AssignmentInline(ReadOnlyInline):
    model = TariffAssignment
    fields = ("scope", "power_class", "customer_group", "contract_type", "channel", "valid_from", "valid_until")
    show_change_link = True
    tab = True


class DraftForm(ActionForm):
    """A new version as OCPI JSON; every defect is listed beside the text."""

    document = forms.CharField(
        label=gettext_lazy("OCPI tariff (JSON, version 2.2.1 or 2.3.0)"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 22, "spellcheck": "false"}),
    )
    reason = None  # type: ignore[assignment]

    def clean_document(self) -> str:
        text: str = self.cleaned_data["document"]
        try:
            parse_tariff_text(text)
        except BadInput as error:
            raise forms.ValidationError([str(error), *error.details]) from error
        return text


class PublishForm(ActionForm):
    """Every warning about the version is read and ticked; `errors` only tell what to correct."""

    accepted = forms.MultipleChoiceField(
        label=gettext_lazy("Warnings that are meant to be so"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, findings: Sequence[Finding], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.findings = findings
        warnings = [(finding.key, finding.words) for finding in findings if finding.severity == WARNING]
        if warnings:
            self.fields["accepted"].choices = warnings  # type: ignore[attr-defined]
        else:
            del self.fields["accepted"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        accepted = cleaned.get("accepted", [])
        for finding in self.findings:
            if not finding.is_accepted(accepted):
                self.add_error("accepted" if finding.severity == WARNING else None, finding.words)
        return cleaned


@admin.register(Tariff)
class TariffAdmin(AuditedAdmin):
    list_display = ("name", "code", "currency", "version_in_force")
    list_filter = ("currency",)
    search_fields = ("name", "code")
    csv_columns = ("code", "name", "currency")
    inlines = (VersionInline, AssignmentInline)
    change_form_outer_before_template = "admin/portal/tariff_actions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tariff]:
        in_force = Q(versions__status=TariffVersion.Status.PUBLISHED, versions__valid_from__lte=clock.now())
        return super().get_queryset(request).annotate(latest_number=Max("versions__number", filter=in_force))

    def get_readonly_fields(self, request: HttpRequest, obj: Tariff | None = None) -> tuple[str, ...]:
        return ("code", "currency") if obj else ()

    def get_urls(self) -> list[URLPattern]:
        draft = path("<int:object_id>/draft/", self.admin_site.admin_view(self.draft_view), name="tariffs_tariff_draft")
        return [draft, *super().get_urls()]

    @display(description=gettext_lazy("newest version in force"), ordering="latest_number")
    def version_in_force(self, tariff: Tariff) -> str:
        number = tariff.latest_number  # type: ignore[attr-defined]
        return f"v{number}" if number else _("none: prices nothing")

    def draft_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Draft a version, beginning with the newest one's text."""
        tariff = self.get_object(request, str(object_id))
        if tariff is None:
            raise Http404
        if not request.user.has_perm("tariffs.add_tariffversion"):
            raise PermissionDenied
        newest = tariff.versions.first()
        text = _pretty(loads(newest.document)) if newest else ""
        form = DraftForm(data=request.POST or None, initial={"document": text})
        if form.is_valid():
            try:
                version = draft_version(tariff_id=tariff.pk, ocpi_text=form.cleaned_data["document"])
            except VoltledgerError as error:
                form.add_error("document", str(error))
            else:
                self.log_addition(request, version, [{"added": {}}])
                self.message_user(request, _("The draft was saved. Check the prices below, then publish it."))
                return HttpResponseRedirect(_version_address(version))
        context = {
            **self.admin_site.each_context(request),
            "title": _("New version of %(tariff)s") % {"tariff": tariff},
            "form": form,
            "submit": _("Save the draft"),
            "is_one_step": True,
            "opts": self.opts,
            "back_url": reverse("admin:tariffs_tariff_change", args=[tariff.pk]),
        }
        return TemplateResponse(request, "admin/portal/action.html", context)


@admin.register(TariffVersion)
class TariffVersionAdmin(ReadOnlyAdmin):
    """A version is text that never changes. It is published and withdrawn, each with a reason."""

    list_display = ("tariff", "number", "status_label", "valid_from", "published_at", "published_by")
    list_filter = ("status", "tariff")
    search_fields = ("tariff__name", "tariff__code", "digest")
    list_select_related = ("tariff", "published_by")
    csv_columns = ("tariff__code", "number", "status", "valid_from", "published_at", "digest")
    change_form_outer_before_template = "admin/portal/tariff_version_actions.html"
    fields = (
        "tariff_link", "number", "status", "valid_from", "published_at", "published_by", "prices", "json",
        "digest",
    )  # fmt: skip
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("publish", self.publish_view),
            self.action_page("withdraw", self.withdraw_view),
            *super().get_urls(),
        ]

    @display(description=gettext_lazy("tariff"))
    def tariff_link(self, version: TariffVersion) -> SafeString | str:
        return link_to(version.tariff)

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={
            TariffVersion.Status.DRAFT: "info",
            TariffVersion.Status.PUBLISHED: "success",
            TariffVersion.Status.WITHDRAWN: "warning",
        },
    )
    def status_label(self, version: TariffVersion) -> tuple[str, str]:
        return version.status, version.get_status_display()

    @display(description=gettext_lazy("prices, as consumers read them"))
    def prices(self, version: TariffVersion) -> SafeString | str:
        """By country, because VAT differs."""
        cards = _cards(version)
        if not cards:
            return _("No VAT rate is known. Enter one under VAT rates.")
        return format_html_join("", "<p><strong>{}</strong> {}</p>", ((country, c.sentence) for country, c in cards))

    @display(description=gettext_lazy("OCPI JSON"))
    def json(self, version: TariffVersion) -> SafeString:
        return format_html('<pre class="portal-json">{}</pre>', _pretty(loads(version.document)))

    def publish_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version: TariffVersion = self.row_for(request, object_id, "tariffs.change_tariffversion")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("%(version)s applies to sessions that begin after %(moment)s.")
                % {"version": version, "moment": f"{version.valid_from:%Y-%m-%d %H:%M} UTC"},
                *(f"{country}: {card.sentence}" for country, card in _cards(version)),
                _("Sessions that have begun keep the price they began with."),
                _("A published version cannot be edited."),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            publish_version(
                version_id=version.pk,
                actor_id=request.user.pk,
                reason=cleaned["reason"],
                accepted=cleaned.get("accepted", ()),
            )
            return _("%(version)s is published.") % {"version": version}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Publish %(version)s") % {"version": version},
            submit=_("Publish"),
            form_class=PublishForm,
            form_options={"findings": findings_for(version)},
            back_url=_version_address(version),
            describe=describe,
            perform=perform,
        )

    def withdraw_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version: TariffVersion = self.row_for(request, object_id, "tariffs.change_tariffversion")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("%(version)s no longer prices new sessions; the published version before it does.")
                % {"version": version},
                _("Where there is none, charging cannot start: a missing tariff is never free."),
                _("Sessions priced by it keep their price."),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            withdraw_version(version_id=version.pk, actor_id=request.user.pk, reason=cleaned["reason"])
            return _("%(version)s is withdrawn.") % {"version": version}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Withdraw %(version)s") % {"version": version},
            submit=_("Withdraw"),
            form_class=ActionForm,
            back_url=_version_address(version),
            describe=describe,
            perform=perform,
        )


def _cards(version: TariffVersion) -> list[tuple[str, PriceCard]]:
    """Price cards of a version by country that has a VAT rate now."""
    spec = parse_tariff_text(version.document)
    today = clock.now().date()
    rates: dict[str, VatRate] = {}
    for rate in VatRate.objects.filter(valid_from__lte=today).order_by("country", "valid_from"):
        rates[rate.country] = rate
    return [(country, price_card(spec, rate.percent, tariff_version_id=version.pk)) for country, rate in rates.items()]


def _version_address(version: TariffVersion) -> str:
    return reverse("admin:tariffs_tariffversion_change", args=[version.pk])


def _pretty(value: Any, indent: str = "") -> str:
    """JSON with line breaks; numbers exactly as they are stored."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{dumps(key)}: {_pretty(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"{inner}{_pretty(item, inner)}" for item in value) + f"\n{indent}]"
    return dumps(value)
