"""Keys to the API: made and shown once, revoked, never edited."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import ApiKey
from accounts.services.api_keys import create_api_key, revoke_api_key
from common import clock
from common.confirmation import ActionForm, confirmed_action, confirmed_decision
from common.portal import ReadOnlyAdmin, actor_of


class NewApiKeyForm(ActionForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("The system that will use the key."),
        widget=UnfoldAdminTextInputWidget,
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("May"), choices=ApiKey.Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    valid_until = forms.DateTimeField(
        label=gettext_lazy("Valid until"),
        required=False,
        help_text=gettext_lazy("Leave empty for a key that stays valid until it is revoked."),
        widget=UnfoldAdminSingleDateWidget,
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "prefix", "state", "scope_words", "last_used_at", "created_by", "created_at")
    list_filter = ("revoked_at",)
    search_fields = ("name", "prefix")
    list_select_related = ("created_by",)
    fields = ("name", "prefix", "state", "scope_words", "created_by", "created_at", "expires_at", "revoked_at",
              "last_used_at")  # fmt: skip
    readonly_fields = fields
    csv_columns = ("name", "prefix", "created_by__email", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_before_template = "admin/portal/api_keys/new_link.html"
    change_form_outer_before_template = "admin/portal/api_keys/actions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).defer("secret_hash")

    @display(description=gettext_lazy("state"), label={"on": "success", "off": "danger"})
    def state(self, api_key: ApiKey) -> tuple[str, str]:
        if api_key.revoked_at is not None:
            return "off", _("Revoked")
        if api_key.expires_at is not None and api_key.expires_at <= clock.now():
            return "off", _("Expired")
        return "on", _("Valid")

    @display(description=gettext_lazy("may"))
    def scope_words(self, api_key: ApiKey) -> str:
        return ", ".join(api_key.scopes)

    # --- actions ------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        new = path("new/", self.admin_site.admin_view(self.new_view), name="accounts_apikey_new")
        return [new, self.action_page("revoke", self.revoke_view), *super().get_urls()]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Make a key and show it, once."""
        if not request.user.has_perm("accounts.add_apikey"):
            raise PermissionDenied
        back_url = reverse("admin:accounts_apikey_changelist")
        title = _("New API key")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            labels = dict(ApiKey.Scope.choices)
            return [
                _("A random key for “%(name)s” is made and shown once.") % cleaned,
                *(str(labels[scope]) for scope in cleaned["scopes"]),
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> HttpResponse:
            api_key, text = create_api_key(
                name=cleaned["name"],
                scopes=cleaned["scopes"],
                actor_id=actor_of(request),
                reason=cleaned["reason"],
                expires_at=cleaned["valid_until"],
                request_key=cleaned["key"],
            )
            context = {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "api_key": api_key,
                "key": text,
                "back_url": back_url,
            }
            return TemplateResponse(request, "admin/portal/api_keys/shown_once.html", context)

        response = confirmed_action(
            request,
            model_admin=self,
            title=title,
            submit=_("Make the key"),
            form_class=NewApiKeyForm,
            back_url=back_url,
            describe=describe,
            perform=perform,
        )
        patch_cache_control(response, no_store=True)
        return response

    def revoke_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """End a key at once."""
        api_key: ApiKey = self.row_for(request, object_id, "accounts.change_apikey")

        def decide(actor_id: int, reason: str) -> str:
            revoke_api_key(api_key_id=api_key.pk, actor_id=actor_id, reason=reason)
            return _("The key is revoked.")

        return confirmed_decision(
            request,
            api_key,
            model_admin=self,
            title=_("Revoke %(key)s") % {"key": api_key},
            submit=_("Revoke"),
            sentences=[_("Requests with this key are refused from now on. This cannot be undone.")],
            decide=decide,
        )
