"""Who the driver is, and how the login is protected."""

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import Driver, Token
from accounts.services.profile import change_profile
from config.forms.profile import ProfileForm
from config.views.access import contract_of, driver_page


@require_http_methods(["GET", "HEAD", "POST"])
@driver_page
def profile(request: HttpRequest, driver: Driver) -> HttpResponse:
    form = ProfileForm(request.POST if request.method == "POST" else None, driver=driver)
    if request.method == "POST" and form.is_valid():
        saved = change_profile(driver_id=driver.pk, values=form.cleaned_data, actor_id=request.user.pk)
        with translation.override(saved.language):
            messages.success(request, _("Saved."))
        response = redirect("profile")
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            saved.language,
            max_age=365 * 24 * 3600,
            samesite="Lax",
            secure=request.is_secure(),
            httponly=True,
        )
        return response
    return render(
        request,
        "site/profile.html",
        {
            "form": form,
            "driver": driver,
            "contract": contract_of(driver),
            "cards": Token.objects.filter(driver=driver, kind=Token.Kind.RFID),
            "has_mfa": is_mfa_enabled(request.user),
        },
        status=400 if form.is_bound else 200,
    )
