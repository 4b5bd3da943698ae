"""What a driver does about cards and payments. The list of cards itself is a page of the driver site."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Driver, User
from billing.models import ChargingSession, FundingLeg, Payment, PaymentMethod
from billing.providers.errors import ProviderError, ProviderUnavailable
from billing.providers.registry import get_provider
from billing.services import methods
from billing.services.card_holds import reread_hold
from billing.services.hold_releases import open_card_holds
from billing.services.payment_sweep import reread_payment
from common.errors import Refused


def _driver(user: User | AnonymousUser) -> Driver:
    """The driver a login belongs to; 404 for a login that is none."""
    if user.pk is None:
        raise Http404
    return get_object_or_404(Driver, user_id=user.pk)


@login_required
@require_POST
def add_method(request: HttpRequest) -> HttpResponse:
    """To the provider's page where a card is saved."""
    return_url = request.build_absolute_uri(reverse("payment_method_return"))
    try:
        return redirect(methods.start_setup(driver_id=_driver(request.user).pk, return_url=return_url))
    except ProviderError as error:
        messages.error(request, error.message)
        return redirect("payment_methods")


@login_required
@require_GET
def return_from_setup(request: HttpRequest) -> HttpResponse:
    """Back from the provider's page: take over the card, if one was saved there by this driver."""
    driver = _driver(request.user)
    try:
        method = methods.adopt_setup(
            provider=get_provider(), reference=request.GET.get("setup", ""), driver_id=driver.pk
        )
    except ProviderUnavailable as error:
        messages.warning(request, error.message)
        return redirect("payment_methods")
    except ProviderError as error:
        raise Http404 from error
    if method is None:
        messages.info(request, _("No card was saved. You can try again at any time."))
    else:
        messages.success(request, _("%(card)s is saved.") % {"card": method})
    return redirect("payment_methods")


@login_required
@require_POST
def set_default(request: HttpRequest, method_id: int) -> HttpResponse:
    try:
        method = methods.set_default(driver_id=_driver(request.user).pk, method_id=method_id)
    except PaymentMethod.DoesNotExist as error:
        raise Http404 from error
    except Refused as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("%(card)s is used first from now on.") % {"card": method})
    return redirect("payment_methods")


@login_required
@require_POST
def remove_method(request: HttpRequest, method_id: int) -> HttpResponse:
    try:
        method = methods.remove_method(driver_id=_driver(request.user).pk, method_id=method_id)
    except PaymentMethod.DoesNotExist as error:
        raise Http404 from error
    except Refused as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("%(card)s is removed.") % {"card": method})
    return redirect("payment_methods")


@login_required
@require_GET
def return_from_confirmation(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Back from the bank's page: ask the provider how it went, then to the session."""
    session = get_object_or_404(ChargingSession, public_id=session_id, driver=_driver(request.user))
    legs = FundingLeg.objects.filter(cdr__charging_session=session)
    for payment in Payment.objects.filter(funding_leg__in=legs, status__in=Payment.OPEN):
        reread_payment(payment_id=payment.pk)
    for hold in open_card_holds().filter(charging_session=session):
        reread_hold(hold_id=hold.pk)
    return redirect("session_detail", session.public_id)


@login_required
@require_GET
def return_from_top_up(request: HttpRequest, payment_id: int) -> HttpResponse:
    """Back from the bank's page: ask the provider how it went, then to the wallet, which says it."""
    payment = get_object_or_404(Payment, pk=payment_id, driver=_driver(request.user), purpose=Payment.Purpose.TOP_UP)
    reread_payment(payment_id=payment.pk)
    return redirect("wallet")
