"""The driver's own page, and how a login becomes a driver."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Driver
from accounts.services.drivers import enrol_driver
from billing.models import PaymentMethod
from billing.selectors.wallets import wallet_of
from config.selectors.contract_words import contract_words, top_up_words
from config.selectors.driver_sessions import open_sessions_of, sessions_of
from config.selectors.unpaid import unpaid
from config.views.access import contract_of, driver_page, signed_in

RECENT = 3


@require_safe
@driver_page
def home(request: HttpRequest, driver: Driver) -> HttpResponse:
    contract = contract_of(driver)
    kind = contract.contract_type if contract else None
    ended = sessions_of(driver.pk).filter(ended_at__isnull=False)
    return render(
        request,
        "site/home.html",
        {
            "driver": driver,
            "contract": contract,
            "contract_words": contract_words(kind) if kind else [],
            "top_up_words": top_up_words(kind),
            "has_card": PaymentMethod.objects.filter(driver=driver, status=PaymentMethod.Status.ACTIVE).exists(),
            "live_sessions": open_sessions_of(driver.pk),
            "recent": ended[:RECENT],
            "unpaid": unpaid(driver.pk),
            "wallet": wallet_of(driver.pk),
        },
    )


@login_required
@require_POST
def become_driver(request: HttpRequest) -> HttpResponse:
    """Make this login a driver, with the contract given at sign-up."""
    enrol_driver(user_id=signed_in(request).pk)
    messages.success(request, _("You can charge now. Next, add a card to pay with."))
    return redirect("home")
