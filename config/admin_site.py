"""The operator portal's site: who gets in, through which door, and what its pages may run."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from unfold.sites import UnfoldAdminSite

# The portal's components evaluate expressions written in attributes (docs/adr/0007-portal-content-security-policy.md).
PORTAL_SCRIPTS = {"script-src": ["'unsafe-eval'"]}


class PortalSite(UnfoldAdminSite):
    """Staff only. They log in where everyone does, so that throttling and the second factor apply to them as well."""

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff and not self.needs_second_factor(request))

    def needs_second_factor(self, request: HttpRequest) -> bool:
        """True for staff who have not set up a second factor where the installation demands one."""
        return settings.STAFF_MFA_REQUIRED and request.user.is_staff and not is_mfa_enabled(request.user)

    def admin_view(self, view: Callable[..., HttpResponseBase], cacheable: bool = False) -> Callable[..., Any]:
        """As Django's; pages of the portal may evaluate their attribute expressions, no other page may."""
        inner = super().admin_view(view, cacheable)

        def portal_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = inner(request, *args, **kwargs)
            response._csp_update = PORTAL_SCRIPTS
            return response

        return portal_view

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send people to the one login page, and staff without a second factor to where they set one up.

        Raises PermissionDenied for a person who is logged in but not staff: another password would not help.
        """
        wanted = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
            wanted = reverse(f"{self.name}:index")
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': wanted})}")
        if self.has_permission(request):
            return HttpResponseRedirect(wanted)
        if self.needs_second_factor(request):
            messages.warning(request, _("Set up a second factor to use the operator portal."))
            return redirect("mfa_activate_totp")
        raise PermissionDenied
