"""Charging without an account: pay at the connector's page, watch, stop, read the receipt. The link is the only key."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.models import AdHocSession, Hold
from billing.providers.errors import ProviderError
from billing.selectors.ad_hoc import ad_hoc_by_link, link_of
from billing.services.ad_hoc import agree, card_page
from common import clock
from common.errors import Refused, VoltledgerError
from common.throttle import may_try
from config.forms.ad_hoc import PayForm
from config.selectors.ad_hoc import ad_hoc_live, why_nothing_started
from config.selectors.hold_words import reserved_on_cards
from config.selectors.price_explanation import explain
from config.selectors.refund_words import refunds_shown
from config.selectors.stations import connectors_in_service
from config.views.public import connector_context
from invoicing.models import Document
from invoicing.views import receipt_or_wait, serve_pdf, show_receipt
from ocpp_gateway.services.remote import remote_stop

P = ParamSpec("P")

# Holds that were there and are gone: a bank's statement may show them for days.
LET_GO = (Hold.Status.RELEASED, Hold.Status.CAPTURED)

TEN_MINUTES = 600
# Links that open nothing, from one address in ten minutes: a mistyped one is honest, thirty are not.
MOST_WRONG_LINKS = 30


def address_of(request: HttpRequest) -> str:
    """The visitor's network address, as the server in front has told it."""
    return str(request.META.get("REMOTE_ADDR", ""))


def ad_hoc_page(
    view: Callable[Concatenate[HttpRequest, AdHocSession, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, str, P], HttpResponse]:
    """Give the view what the link opens. A wrong link is a page not found, and too many of them are no longer answered.

    No cache and no search engine keeps the page, and no other site is told its address.
    """

    @wraps(view)
    def page(request: HttpRequest, link: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            order = ad_hoc_by_link(link)
        except AdHocSession.DoesNotExist as error:
            if not may_try("ad_hoc_link", address_of(request), most=MOST_WRONG_LINKS, seconds=TEN_MINUTES):
                return _too_many(request)
            raise Http404 from error
        answer = view(request, order, *args, **kwargs)
        patch_cache_control(answer, private=True, no_store=True)
        answer["X-Robots-Tag"] = "noindex, nofollow"
        # Not “no-referrer”: browsers would then send no origin with a form either, which the forgery check needs.
        answer["Referrer-Policy"] = "same-origin"
        return answer

    return page


@require_POST
def pay(request: HttpRequest, code: str) -> HttpResponse:
    """Agree to the price that was shown, then on to the provider's page for the card."""
    connector = get_object_or_404(connectors_in_service(), code=code.upper())
    most = settings.AD_HOC_STARTS_PER_TEN_MINUTES
    if not may_try("ad_hoc_start", address_of(request), most=most, seconds=TEN_MINUTES):
        return _too_many(request)
    form = PayForm(request.POST)
    if not form.is_valid():
        return _connector_page(request, connector.code, form=form, status=400)
    try:
        order = agree(
            connector_id=connector.pk,
            digest=form.cleaned_data["price"],
            email=form.cleaned_data["email"],
            language=get_language() or settings.LANGUAGE_CODE,
        )
        return redirect(_card_page(request, order))
    except (Refused, ProviderError) as refusal:
        return _connector_page(request, connector.code, form=form, refusal=refusal, status=409)


def _card_page(request: HttpRequest, order: AdHocSession) -> str:
    return_url = request.build_absolute_uri(reverse("ad_hoc_card_return", args=[link_of(order)]))
    return card_page(order=order, return_url=return_url)


def _connector_page(
    request: HttpRequest, code: str, *, form: PayForm, refusal: VoltledgerError | None = None, status: int
) -> HttpResponse:
    context = connector_context(code, None) | {"form": form, "refusal": refusal, "remedy": ""}
    return render(request, "site/connector.html", context, status=status)


def _too_many(request: HttpRequest) -> HttpResponse:
    return render(request, "429.html", {"without_account": True}, status=429)


@require_safe
@ad_hoc_page
def page(request: HttpRequest, order: AdHocSession) -> HttpResponse:
    """Where it stands: from the card that is still to come to the receipt."""
    now = clock.now()
    session = order.charging_session
    cdr = getattr(session, "cdr", None)
    return render(
        request,
        "site/ad_hoc.html",
        {
            "order": order,
            "link": link_of(order),
            "connector": order.connector,
            "location": order.connector.charge_point.location,
            "session": session,
            "live": ad_hoc_live(order, now),
            "is_too_late": now > order.pay_by,
            "why_not": why_nothing_started(session, now) if session else "",
            "reserved": reserved_on_cards(session) if session else [],
            "was_released": session is not None and session.holds.filter(status__in=LET_GO).exists(),
            "cdr": cdr,
            "explanation": explain(session, cdr) if session and cdr else None,
            "refunds": refunds_shown(cdr) if cdr else [],
        },
    )


@require_safe
@ad_hoc_page
def live_part(request: HttpRequest, order: AdHocSession) -> HttpResponse:
    """The live figures alone, for pages whose socket does not come through."""
    figures = ad_hoc_live(order, clock.now())
    if figures is None:
        raise Http404
    response = render(request, "site/parts/live.html", {"live": figures})
    response["X-Live-State"] = figures.state
    return response


@require_POST
@ad_hoc_page
def leave_card(request: HttpRequest, order: AdHocSession) -> HttpResponse:
    """To the provider's page once more, for who came back without having left a card."""
    if order.charging_session_id is not None or order.refusal_code or clock.now() > order.pay_by:
        return redirect("ad_hoc", link_of(order))
    try:
        return redirect(_card_page(request, order))
    except ProviderError as error:
        messages.error(request, error.message)
        return redirect("ad_hoc", link_of(order))


@require_POST
@ad_hoc_page
def stop(request: HttpRequest, order: AdHocSession) -> HttpResponse:
    """Ask the charge point to stop."""
    session = order.charging_session
    if session is None:
        raise Http404
    try:
        remote_stop(session_id=session.pk, reason="driver")
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.info(request, _("The charge point has been asked to stop. This takes a few seconds."))
    return redirect("ad_hoc", link_of(order))


@require_safe
@ad_hoc_page
def receipt(request: HttpRequest, order: AdHocSession) -> HttpResponse:
    """The receipt, issued now when it is due, or when it will be."""
    found = _receipt(request, order)
    if not isinstance(found, Document):
        return found
    link = link_of(order)
    pdf_address, session_address = reverse("ad_hoc_pdf", args=[link]), reverse("ad_hoc", args=[link])
    return show_receipt(request, found, pdf_address=pdf_address, session_address=session_address)


@require_safe
@ad_hoc_page
def receipt_pdf(request: HttpRequest, order: AdHocSession) -> HttpResponse:
    found = _receipt(request, order)
    return serve_pdf(request, found) if isinstance(found, Document) else found


def _receipt(request: HttpRequest, order: AdHocSession) -> Document | HttpResponse:
    cdr = getattr(order.charging_session, "cdr", None)
    if cdr is None or not cdr.gross:
        raise Http404
    return receipt_or_wait(request, cdr)
