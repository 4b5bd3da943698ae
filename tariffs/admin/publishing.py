"""Publishing and withdrawing versions: what was found, what changes for whom, then the deed with its reason."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action

from common import clock
from common.confirmation import ActionForm, confirmed_decision
from common.errors import VoltledgerError
from common.portal import actor_of
from tariffs.admin.finding_words import ShownFinding, shown_findings
from tariffs.admin.pages import version_address
from tariffs.admin.places import cards_by_country
from tariffs.admin.version_tools import VersionTools
from tariffs.domain.findings import ERROR, WARNING, Finding
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.models import TariffVersion
from tariffs.selectors.diff import changes_between
from tariffs.selectors.in_force import version_in_force
from tariffs.selectors.lint import findings_for
from tariffs.selectors.reach import reach_of
from tariffs.services.versions import publish_version, withdraw_version

PUBLISH = "tariffs.change_tariffversion"
# So many drafts are published from one page; each is checked where it is assigned.
MOST_AT_ONCE = 20


class PublishForm(ActionForm):
    """Every warning is read and ticked by itself; errors only tell what to correct."""

    accepted = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, findings: Sequence[Finding], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.findings = findings
        field: forms.MultipleChoiceField = self.fields["accepted"]  # type: ignore[assignment]
        field.choices = [(finding.key, finding.words) for finding in findings if finding.severity == WARNING]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        accepted = cleaned.get("accepted", [])
        if any(finding.severity == ERROR for finding in self.findings):
            raise forms.ValidationError(_("Correct the errors first; the version stays a draft."))
        if not all(finding.is_accepted(accepted) for finding in self.findings):
            raise forms.ValidationError(_("Tick each warning that is meant to be so, or correct it."))
        return cleaned


class BulkForm(ActionForm):
    """Several drafts at once: their warnings are ticked draft by draft."""

    def __init__(self, *args: Any, drafts: Sequence["Draft"], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for draft in drafts:
            warnings = [(shown.key, shown.words) for shown in draft.warnings]
            self.fields[draft.field] = forms.MultipleChoiceField(
                choices=warnings, required=False, widget=forms.CheckboxSelectMultiple
            )


class Draft:
    """One draft of a bulk: what was found, and whether it can be published at all."""

    def __init__(self, version: TariffVersion) -> None:
        self.version = version
        self.field = f"accepted_{version.pk}"
        self.findings = findings_for(version)
        shown = shown_findings(self.findings)
        self.errors: list[ShownFinding] = [one for one in shown if one.severity == ERROR]
        self.warnings: list[ShownFinding] = [one for one in shown if one.severity == WARNING]


class PublishPages(VersionTools):
    """The pages that put versions in and out of force, for the admin of TariffVersion."""

    actions = ("publish_drafts",)

    def get_urls(self) -> list[URLPattern]:
        bulk = path("publish/", self.admin_site.admin_view(self.bulk_view), name="tariffs_tariffversion_publish_drafts")
        pages = [
            bulk,
            self.action_page("publish", self.publish_view),
            self.action_page("withdraw", self.withdraw_view),
        ]
        return [*pages, *super().get_urls()]

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PUBLISH)

    @action(description=gettext_lazy("Publish the chosen drafts"), permissions=["publish"])
    def publish_drafts(self, request: HttpRequest, queryset: QuerySet[TariffVersion]) -> HttpResponse | None:
        """From the list to the page on which drafts are checked and published together."""
        ids = list(queryset.filter(status=TariffVersion.Status.DRAFT).values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if not ids:
            self.message_user(request, _("None of these is a draft. Nothing was changed."), messages.WARNING)
            return None
        if len(ids) > MOST_AT_ONCE:
            text = _("Choose at most %(most)d drafts at once. Nothing was changed.") % {"most": MOST_AT_ONCE}
            self.message_user(request, text, messages.WARNING)
            return None
        address = reverse("admin:tariffs_tariffversion_publish_drafts")
        return HttpResponseRedirect(f"{address}?ids={','.join(str(number) for number in ids)}")

    def publish_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What was found, what it means, and then the deed."""
        version: TariffVersion = self.row_for(request, object_id, PUBLISH)
        if version.status != TariffVersion.Status.DRAFT:
            self.message_user(request, _("This version is no draft any more. Nothing was changed."), messages.WARNING)
            return HttpResponseRedirect(version_address(version))
        findings = findings_for(version)
        form = PublishForm(request.POST or None, findings=findings)
        if form.is_valid():
            try:
                publish_version(
                    version_id=version.pk,
                    actor_id=actor_of(request),
                    reason=form.cleaned_data["reason"],
                    accepted=form.cleaned_data["accepted"],
                )
            except VoltledgerError as error:
                form.add_error(None, str(error))
                findings = findings_for(version)
            else:
                self.message_user(request, _("%(version)s is published.") % {"version": version})
                return HttpResponseRedirect(version_address(version))
        shown = shown_findings(findings)
        current = version_in_force(version.tariff_id)
        ticked = set(request.POST.getlist("accepted"))
        context = self._about(request, version, _("Publish %(version)s")) | {
            "form": form,
            "errors_found": [one for one in shown if one.severity == ERROR],
            "warnings_found": [(one, one.key in ticked) for one in shown if one.severity == WARNING],
            "moment": moment_words(version),
            "cards": cards_by_country(parse_tariff_text(version.document), version),
            "current": current,
            "changes": changes_between(current, version) if current is not None else (),
            "reach": reach_of(version.tariff_id),
        }
        return TemplateResponse(request, "admin/tariffs/publish.html", context)

    def withdraw_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version: TariffVersion = self.row_for(request, object_id, PUBLISH)

        sentences = [
            _("%(version)s no longer prices new sessions; the published version before it does.")
            % {"version": version},
            _("Where there is none, charging cannot start: a missing tariff is never free."),
            *reach_of(version.tariff_id).sentences(),
            _("Sessions priced by it keep their price."),
        ]
        if version.status == TariffVersion.Status.DRAFT:
            sentences = [_("%(version)s is given up. It never priced a session.") % {"version": version}]

        def decide(actor_id: int, reason: str) -> str:
            withdraw_version(version_id=version.pk, actor_id=actor_id, reason=reason)
            return _("%(version)s is withdrawn.") % {"version": version}

        return confirmed_decision(
            request,
            version,
            model_admin=self,
            title=_("Withdraw %(version)s") % {"version": version},
            submit=_("Withdraw"),
            sentences=sentences,
            decide=decide,
        )

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Several drafts: those without errors whose warnings are ticked are published, each by itself."""
        if not self.has_publish_permission(request):
            raise PermissionDenied
        back_url = reverse("admin:tariffs_tariffversion_changelist")
        wanted = {int(text) for text in request.GET.get("ids", "").split(",") if text.isdecimal() and len(text) < 19}
        versions = TariffVersion.objects.filter(pk__in=sorted(wanted)[:MOST_AT_ONCE], status=TariffVersion.Status.DRAFT)
        drafts = [Draft(version) for version in versions.select_related("tariff")]
        if not drafts:
            self.message_user(request, _("None of these is a draft. Nothing was changed."), messages.WARNING)
            return HttpResponseRedirect(back_url)
        form = BulkForm(request.POST or None, drafts=drafts)
        if form.is_valid():
            self._publish_all(request, drafts, form)
            return HttpResponseRedirect(back_url)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Publish drafts"),
            "opts": self.opts,
            "form": form,
            "drafts": [(draft, moment_words(draft.version)) for draft in drafts],
            "back_url": back_url,
        }
        return TemplateResponse(request, "admin/tariffs/publish_drafts.html", context)

    def _publish_all(self, request: HttpRequest, drafts: Sequence[Draft], form: BulkForm) -> None:
        """Each in its own transaction: what stands in the way of one stops no other."""
        published = 0
        for draft in drafts:
            try:
                publish_version(
                    version_id=draft.version.pk,
                    actor_id=actor_of(request),
                    reason=form.cleaned_data["reason"],
                    accepted=form.cleaned_data[draft.field],
                )
            except VoltledgerError as error:
                words = {"version": draft.version, "reason": error}
                self.message_user(request, _("%(version)s stays a draft: %(reason)s") % words, messages.ERROR)
            else:
                published += 1
        if published:
            text = ngettext("%(count)d draft is published.", "%(count)d drafts are published.", published)
            self.message_user(request, text % {"count": published})


def moment_words(version: TariffVersion) -> str:
    """From when a draft would apply."""
    if version.valid_from <= clock.now():
        return _("as soon as it is published")
    return date_format(timezone.localtime(version.valid_from), "DATETIME_FORMAT")
