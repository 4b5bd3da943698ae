"""The driver's page of automatic top-up: agree to it, change it, switch it off."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import ContractType, Driver
from billing.selectors.auto_top_ups import auto_top_up_of, is_offered
from billing.selectors.payments import usable_methods
from billing.services.auto_top_ups import agree_to_auto_top_up, pause_auto_top_up
from common.errors import VoltledgerError
from config.forms.auto_top_up import AutoTopUpForm
from config.selectors.auto_top_up_words import consent_words, plan_words, standing_words
from config.views.access import contract_of, driver_page


@require_http_methods(["GET", "HEAD", "POST"])
@driver_page
def auto_top_up(request: HttpRequest, driver: Driver) -> HttpResponse:
    kind = _kind_of(driver)
    standing = auto_top_up_of(driver.pk, kind)
    method = usable_methods(driver.pk).first()
    consent = consent_words(method) if method else ""
    form = AutoTopUpForm(
        request.POST if request.method == "POST" else None,
        currency=kind.currency,
        plan=standing.plan if standing else None,
    )
    if request.method == "POST" and form.is_valid() and _agreed(request, driver, form, consent):
        messages.success(request, _("Automatic top-up is on."))
        return redirect("auto_top_up")
    context = {
        "standing": standing,
        "plan_words": plan_words(standing.plan) if standing else "",
        "standing_words": standing_words(standing) if standing else "",
        "method": method,
        "consent": consent,
        "form": form,
        "currency": kind.currency,
    }
    return render(request, "site/auto_top_up.html", context, status=400 if form.is_bound else 200)


def _kind_of(driver: Driver) -> ContractType:
    """The contract type in force; 404 where it does not offer automatic top-up."""
    contract = contract_of(driver)
    if contract is None or not is_offered(contract.contract_type):
        raise Http404
    return contract.contract_type


def _agreed(request: HttpRequest, driver: Driver, form: AutoTopUpForm, consent: str) -> bool:
    terms = {name: form.cleaned_data[name] for name in ("threshold", "amount", "max_per_day", "max_per_month")}
    try:
        agree_to_auto_top_up(driver_id=driver.pk, consent=consent, actor_id=request.user.pk, **terms)
    except VoltledgerError as error:
        form.add_error(None, error.message)
        return False
    return True


@require_POST
@driver_page
def pause(request: HttpRequest, driver: Driver) -> HttpResponse:
    pause_auto_top_up(driver_id=driver.pk, actor_id=request.user.pk)
    messages.success(request, _("Automatic top-up is switched off. Nothing is charged by itself any more."))
    return redirect("wallet")
