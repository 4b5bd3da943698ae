"""A whole OCPI tariff from a file, as the draft of a new tariff or of one that exists."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.portal import AuditedAdmin
from common.errors import BadInput
from common.portal import actor_of
from tariffs.admin.pages import version_address
from tariffs.models import Tariff, TariffVersion
from tariffs.services.exchange import DOUBTS, LARGEST_FILE, import_tariff


class ImportForm(forms.Form):
    """The file, and where it goes."""

    use_required_attribute = False

    file = forms.FileField(
        label=gettext_lazy("File with one OCPI tariff (JSON, version 2.2.1 or 2.3.0)"),
        widget=forms.FileInput(attrs={"class": "portal-input", "accept": ".json,application/json"}),
    )
    code = forms.SlugField(
        label=gettext_lazy("Code of the tariff"),
        required=False,
        max_length=50,
        help_text=gettext_lazy(
            "The file becomes the next draft of the tariff with this code; a new one is made where there is none. "
            "Empty: made of the id in the file."
        ),
        error_messages={"invalid": gettext_lazy("Letters, digits, hyphens and underscores only.")},
        widget=forms.TextInput(attrs={"class": "portal-input"}),
    )
    accepts_doubts = forms.BooleanField(
        label=gettext_lazy("Unusual prices, steps and overlaps are meant as they are"),
        required=False,
        help_text=gettext_lazy("Tick it after you have read what was found."),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            raise forms.ValidationError(_("This file is too large for a tariff."))
        return file


class ImportPages(AuditedAdmin):
    """The import, for the admin of Tariff."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [path("import/", view(self.import_view), name="tariffs_tariff_import"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        address = reverse("admin:tariffs_tariff_import") if _may_import(request) else None
        return super().changelist_view(request, {**(extra_context or {}), "import_url": address})

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Nothing is saved unless all of the file can be."""
        if not _may_import(request):
            raise PermissionDenied
        form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
        if form.is_valid():
            try:
                version = import_tariff(
                    text=form.cleaned_data["file"].read(),
                    code=form.cleaned_data["code"],
                    actor_id=actor_of(request),
                    accepted=DOUBTS if form.cleaned_data["accepts_doubts"] else (),
                )
            except BadInput as error:
                form.add_error("file", forms.ValidationError([str(error), *error.details]))
            else:
                self.message_user(request, _("The file is a draft now. Check the prices below, then publish it."))
                return HttpResponseRedirect(version_address(version))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import an OCPI tariff"),
            "opts": self.opts,
            "form": form,
            "back_url": reverse("admin:tariffs_tariff_changelist"),
        }
        return TemplateResponse(request, "admin/tariffs/import.html", context)


def _may_import(request: HttpRequest) -> bool:
    """A file may make a tariff and always makes a version."""
    return all(request.user.has_perm(f"tariffs.add_{model._meta.model_name}") for model in (Tariff, TariffVersion))
