"""The tariff editor: a draft's prices as rules in words, or as OCPI JSON for those who prefer that."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.portal import AuditedAdmin
from common.errors import BadInput, VoltledgerError
from common.portal import actor_of
from tariffs.admin.pages import pretty, version_address
from tariffs.admin.places import cards_by_country, known_places, sentences
from tariffs.admin.sheet_forms import RARE_CONDITIONS, USUAL_CONDITIONS, SheetForms, changed, forms_of, sheet_from
from tariffs.admin.week_page import WeekForm, week_table
from tariffs.domain.jsontext import loads
from tariffs.domain.ocpi import canonical_json, parse_tariff_text
from tariffs.domain.rows import MOST_RULES, MOST_TIERS, SLOTS, Rule, Sheet, blank_sheet, fits, sheet_of
from tariffs.domain.rows_reading import SheetMistakes, spec_of
from tariffs.domain.spec import TariffSpec
from tariffs.line_words import rule_words
from tariffs.models import Tariff, TariffVersion
from tariffs.selectors.conditions import condition_words
from tariffs.services.exchange import source_of, source_with
from tariffs.services.redrafting import redraft_version
from tariffs.services.versions import draft_version

LARGEST_FILE = 2_000_000


class ValidFromForm(forms.Form):
    """From when the version applies once it is published."""

    use_required_attribute = False

    valid_from = forms.DateTimeField(
        label=gettext_lazy("Applies from"),
        help_text=gettext_lazy("In the portal's time zone. Empty: as soon as it is published."),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "class": "portal-input"}, format="%Y-%m-%dT%H:%M"),
    )


class DocumentForm(ValidFromForm):
    """A version as OCPI JSON; every defect is listed beside the text."""

    document = forms.CharField(
        label=gettext_lazy("OCPI tariff (JSON, version 2.2.1 or 2.3.0)"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 22, "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=gettext_lazy("or a file"),
        required=False,
        help_text=gettext_lazy("Replaces the text above."),
        widget=forms.FileInput(attrs={"class": "portal-input", "accept": ".json,application/json"}),
    )
    field_order = ("document", "file", "valid_from")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        if file is not None and file.size > LARGEST_FILE:
            self.add_error("file", _("This file is too large for a tariff."))
            return cleaned
        content: str | bytes = file.read() if file is not None else cleaned.get("document", "")
        field = "document" if file is None else "file"
        try:
            cleaned["spec"] = parse_tariff_text(content)
            cleaned["source"] = source_of(content)
        except BadInput as error:
            self.add_error(field, forms.ValidationError([str(error), *error.details]))
        return cleaned


class EditorPages(AuditedAdmin):
    """The pages of the editor, for the admin of Tariff."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        pages = [
            path("<int:object_id>/draft/", view(self.draft_view), name="tariffs_tariff_draft"),
            path("<int:object_id>/draft/json/", view(self.document_view), name="tariffs_tariff_draft_json"),
        ]
        return [*pages, *super().get_urls()]

    def draft_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The rules of a version to be; what was typed stays until it is saved."""
        tariff, base = self._subject(request, object_id)
        mistakes: SheetMistakes | None = None
        spec: TariffSpec | None = None
        when = ValidFromForm(request.POST or None, initial={"valid_from": _moment_to_come(base)})
        do = request.POST.get("do", "")
        if request.method == "POST":
            sheet = changed(sheet_from(request.POST, tariff.currency), do)
        else:
            known = parse_tariff_text(base.document) if base else None
            if known is not None and not fits(known):
                return HttpResponseRedirect(f"{_json_address(tariff)}?{request.GET.urlencode()}")
            sheet = sheet_of(known) if known is not None else blank_sheet(tariff.currency)
        try:
            spec = spec_of(sheet)
        except SheetMistakes as error:
            mistakes = error
        source = _source(request, base)
        if do == "save" and spec is not None and when.is_valid():
            kept = source_with(source, spec)
            answer = self._save(request, tariff, spec, when, source=kept, replaces=_replaced(request, base))
            if answer is not None:
                return answer
        if do == "json" and spec is not None:
            text = source_with(source, spec) or canonical_json(spec)
            form = DocumentForm({"document": pretty(loads(text)), "valid_from": request.POST.get("valid_from", "")})
            return self._document_page(request, tariff, base, form)
        shows_mistakes = do in ("check", "save", "json")
        shown = forms_of(sheet, mistakes.defects if mistakes and shows_mistakes else ())
        context = self._sheet(request, tariff, base, sheet, shown, source=source) | {
            "when": when,
            "refused": bool(mistakes) and shows_mistakes,
            "checked": do == "check" and spec is not None,
            "preview": self._preview(spec) if spec is not None else None,
        }
        return TemplateResponse(request, "admin/tariffs/editor.html", context)

    def document_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The same version as OCPI JSON."""
        tariff, base = self._subject(request, object_id)
        if request.method == "POST":
            form = DocumentForm(request.POST, request.FILES)
            if form.is_valid():
                spec: TariffSpec = form.cleaned_data["spec"]
                source: str = form.cleaned_data["source"]
                if "rows" in request.POST and fits(spec):
                    return self._rows_page(request, tariff, base, spec, source=source)
                if "rows" not in request.POST:
                    replaced = _replaced(request, base)
                    answer = self._save(request, tariff, spec, form, source=source, replaces=replaced)
                    if answer is not None:
                        return answer
        else:
            text = pretty(loads(base.source or base.document)) if base else ""
            form = DocumentForm(initial={"document": text, "valid_from": _moment_to_come(base)})
        return self._document_page(request, tariff, base, form)

    # --- Parts --------------------------------------------------------------------------------------------------------

    def _subject(self, request: HttpRequest, object_id: int) -> tuple[Tariff, TariffVersion | None]:
        """The tariff and the version to begin with: the one asked for, else the newest."""
        if not request.user.has_perm("tariffs.add_tariffversion"):
            raise PermissionDenied
        tariff = self.get_object(request, str(object_id))
        if tariff is None:
            raise Http404
        wanted = request.GET.get("from", "")
        if not wanted and request.method == "POST":
            return tariff, None
        if not wanted:
            newest = tariff.versions.exclude(status=TariffVersion.Status.WITHDRAWN).first()
            return tariff, newest or tariff.versions.first()
        base = tariff.versions.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 19 else None
        if base is None:
            raise Http404
        return tariff, base

    def _frame(self, request: HttpRequest, tariff: Tariff, base: TariffVersion | None) -> dict[str, Any]:
        query = f"?from={base.pk}" if base else ""
        title = _("New version of %(tariff)s") % {"tariff": tariff}
        if base is not None and base.status == TariffVersion.Status.DRAFT:
            title = _("Edit the draft %(version)s") % {"version": base}
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "tariff": tariff,
            "base": base,
            "rows_url": reverse("admin:tariffs_tariff_draft", args=[tariff.pk]) + query,
            "json_url": _json_address(tariff) + query,
            "back_url": version_address(base) if base else reverse("admin:tariffs_tariff_change", args=[tariff.pk]),
        }

    def _sheet(
        self,
        request: HttpRequest,
        tariff: Tariff,
        base: TariffVersion | None,
        sheet: Sheet,
        shown: SheetForms,
        *,
        source: str,
    ) -> dict[str, Any]:
        return {
            **self._frame(request, tariff, base),
            "forms": shown,
            "rules": _rule_rows(sheet, shown),
            "opened": _opened(sheet, shown),
            "most_rules": MOST_RULES,
            "most_tiers": MOST_TIERS,
            "source": source,
            "replaced": _replaced(request, base),
        }

    def _rows_page(
        self, request: HttpRequest, tariff: Tariff, base: TariffVersion | None, spec: TariffSpec, *, source: str
    ) -> HttpResponse:
        sheet = sheet_of(spec)
        context = self._sheet(request, tariff, base, sheet, forms_of(sheet), source=source) | {
            "when": ValidFromForm(request.POST),
            "preview": self._preview(spec),
        }
        return TemplateResponse(request, "admin/tariffs/editor.html", context)

    def _document_page(
        self, request: HttpRequest, tariff: Tariff, base: TariffVersion | None, form: DocumentForm
    ) -> HttpResponse:
        spec = form.cleaned_data.get("spec") if form.is_bound and form.is_valid() else None
        if spec is None and base is not None:
            spec = parse_tariff_text(base.document)
        context = {
            **self._frame(request, tariff, base),
            "form": form,
            "fits": spec is None or fits(spec),
            "most_rules": MOST_RULES,
            "most_tiers": MOST_TIERS,
            "replaced": _replaced(request, base),
        }
        return TemplateResponse(request, "admin/tariffs/document.html", context)

    def _preview(self, spec: TariffSpec) -> dict[str, Any]:
        """What the draft means: the price card by country, and its week where most of the network is."""
        places = known_places()
        question = WeekForm(None, places).question()
        return {
            "cards": sentences(cards_by_country(spec)),
            "week": week_table(spec, places.usual, question),
            "place": places.usual,
        }

    def _save(
        self,
        request: HttpRequest,
        tariff: Tariff,
        spec: TariffSpec,
        form: ValidFromForm,
        *,
        source: str,
        replaces: TariffVersion | None,
    ) -> HttpResponse | None:
        """Keep the draft; None where it was refused, and then the form says why."""
        moment = form.cleaned_data["valid_from"]
        valid_from = moment.astimezone(UTC) if moment else None
        text = canonical_json(spec)
        try:
            if replaces is None or request.POST.get("own_draft"):
                version = draft_version(tariff_id=tariff.pk, ocpi_text=text, valid_from=valid_from, source=source)
            else:
                actor_id = actor_of(request)
                version = redraft_version(
                    version_id=replaces.pk,
                    ocpi_text=text,
                    valid_from=valid_from,
                    source=source,
                    actor_id=actor_id,
                )
        except BadInput as error:
            form.add_error(None, forms.ValidationError([str(error), *error.details]))
            return None
        except VoltledgerError as error:
            form.add_error(None, str(error))
            return None
        self.log_addition(request, version, [{"added": {}}])
        self.message_user(request, _("The draft was saved. Check the prices below, then publish it."))
        return HttpResponseRedirect(version_address(version))


def _json_address(tariff: Tariff) -> str:
    return reverse("admin:tariffs_tariff_draft_json", args=[tariff.pk])


def _source(request: HttpRequest, base: TariffVersion | None) -> str:
    """The whole OCPI object the sheet was made of; the page carries it along, because its rows may come from JSON that
    was typed. What was tampered with is no OCPI object and not kept."""
    known = base.source if base is not None else ""
    sent = request.POST.get("source", known)
    if sent in ("", known):
        return sent
    with suppress(BadInput):
        return source_of(sent)
    return ""


def _replaced(request: HttpRequest, base: TariffVersion | None) -> TariffVersion | None:
    """The draft that saving replaces, as the page said it would; it may have been decided about meanwhile."""
    if base is None:
        return None
    if request.method == "POST":
        return base if request.POST.get("replaces") == str(base.pk) else None
    return base if base.status == TariffVersion.Status.DRAFT else None


def _moment_to_come(base: TariffVersion | None) -> Any:
    """A draft keeps its moment; what follows a published version applies as soon as it is published."""
    return base.valid_from if base is not None and base.status == TariffVersion.Status.DRAFT else None


@dataclass(frozen=True)
class RuleRow:
    """A rule's form, its name with its conditions in a phrase, and which of its parts stand open."""

    form: forms.Form
    title: str
    energy: bool
    time: bool
    parking: bool
    flat: bool
    conditions: bool
    rare: bool


def _rule_rows(sheet: Sheet, shown: SheetForms) -> list[RuleRow]:
    """A part stands open that says something or has a mistake; energy does in a rule without any price."""
    rows = []
    for index, (rule, form) in enumerate(zip(sheet.rules, shown.rules, strict=True)):
        title = rule_words(index)
        with suppress(SheetMistakes):  # its name is enough while it has mistakes
            element = spec_of(Sheet(sheet.currency, {}, (rule,))).elements[0]
            title = f"{title}: {condition_words(element.restrictions) or _('always')}"

        def says(cells: Iterable[str], rule: Rule = rule, form: forms.Form = form) -> bool:
            return any(rule.cells.get(cell, "").strip() or cell in form.errors for cell in cells)

        prices = {slot: says(f"{slot}_{cell}" for cell in ("price", "vat", "step")) for slot in SLOTS}
        prices["energy"] = prices["energy"] or not any(prices.values())
        rare = says(RARE_CONDITIONS)
        conditions = rare or bool(rule.days) or says(USUAL_CONDITIONS)
        rows.append(RuleRow(form=form, title=title, conditions=conditions, rare=rare, **prices))
    return rows


_SECTION_CELLS = {
    "limits": ("min_", "max_"),
    "fee": ("fee_",),
    "connection": ("connection_",),
    "free": ("free_",),
    "idle": ("idle_",),
    "tiers": ("tiers_vat",),
    "spot": ("spot_",),
    "usable": ("usable_",),
}
_ALWAYS_SET = frozenset({"fee_of", "connection_needs", "tiers_per"})


def _opened(sheet: Sheet, shown: SheetForms) -> dict[str, bool]:
    """Which sections say something, or have a mistake: they stand open."""
    opened = {}
    for section, beginnings in _SECTION_CELLS.items():
        opened[section] = any(
            text.strip() or name in shown.general.errors
            for name, text in sheet.general.items()
            if name.startswith(beginnings) and name not in _ALWAYS_SET
        )
    opened["tiers"] = opened["tiers"] or bool(sheet.tiers)
    return opened
