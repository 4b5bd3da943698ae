"""Back from the provider's and the bank's pages, without an account: the link says whose session it is."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from billing.models import AdHocSession, FundingLeg, Payment
from billing.providers.errors import ProviderError, ProviderUnavailable
from billing.providers.registry import get_provider
from billing.selectors.ad_hoc import ad_hoc_by_link
from billing.services.ad_hoc import take_card
from billing.services.card_holds import reread_hold
from billing.services.hold_releases import open_card_holds
from billing.services.payment_sweep import reread_payment


def ad_hoc_or_404(link: str) -> AdHocSession:
    try:
        return ad_hoc_by_link(link)
    except AdHocSession.DoesNotExist as error:
        raise Http404 from error


@never_cache
@require_GET
def return_from_setup(request: HttpRequest, link: str) -> HttpResponse:
    """The payer has left a card, or has not: the session begins, and its page says which."""
    order = ad_hoc_or_404(link)
    provider = get_provider()
    try:
        setup = provider.fetch_setup(request.GET.get("setup", ""))
        take_card(provider=provider, setup=setup, order_id=order.pk)
    except ProviderUnavailable:
        # The webhook follows; the page looks again by itself.
        return redirect("ad_hoc", link)
    except ProviderError as error:
        raise Http404 from error
    return redirect("ad_hoc", link)


@never_cache
@require_GET
def return_from_confirmation(request: HttpRequest, link: str) -> HttpResponse:
    """Back from the bank's page: ask the provider how it went, then to the session's page."""
    session = ad_hoc_or_404(link).charging_session
    if session is not None:
        legs = FundingLeg.objects.filter(cdr__charging_session=session)
        for payment in Payment.objects.filter(funding_leg__in=legs, status__in=Payment.OPEN):
            reread_payment(payment_id=payment.pk)
        for hold in open_card_holds().filter(charging_session=session):
            reread_hold(hold_id=hold.pk)
    return redirect("ad_hoc", link)
