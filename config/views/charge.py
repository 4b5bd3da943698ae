"""Finding a connector, starting and stopping there."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Driver
from billing.models import ChargingSession
from common.errors import Refused
from config.selectors.driver_sessions import open_sessions_of, session_of
from config.selectors.stations import connectors_in_service, public_locations, recent_locations
from config.views.access import driver_page, wants_rows_only
from config.views.public import PER_PAGE, connector_context
from ocpp_gateway.services.remote import remote_start, remote_stop

# Where a refused driver can put things right, by the refusal's code.
REMEDIES = {
    "no_payment_method": "payment_methods",
    "open_debt": "payment_methods",
    "insufficient_funds": "wallet",
    "no_contract": "home",
    "no_subscription": "home",
    "connector_busy": "charge",
    "connector_not_ready": "charge",
}


@require_safe
@vary_on_headers("HX-Request")
@driver_page
def charge(request: HttpRequest, driver: Driver) -> HttpResponse:
    """Search by the code on the label or by place; the code alone goes straight to its connector."""
    search = request.GET.get("q", "").strip()[:100]
    if search and not wants_rows_only(request):
        connector = connectors_in_service().filter(code=search.upper()).first()
        if connector is not None:
            return redirect("connector_qr", connector.code)
    page = Paginator(public_locations(search), PER_PAGE).get_page(request.GET.get("page"))
    if wants_rows_only(request):
        return render(request, "site/parts/station_rows.html", {"page": page, "search": search})
    return render(
        request,
        "site/charge.html",
        {
            "page": page,
            "search": search,
            "live_sessions": open_sessions_of(driver.pk),
            "recent": [] if search else recent_locations(driver.pk),
        },
    )


@require_POST
@driver_page
def start(request: HttpRequest, driver: Driver, code: str) -> HttpResponse:
    """Ask the charge point to start; a refusal is shown beside the price, with where to put it right."""
    connector = get_object_or_404(connectors_in_service(), code=code.upper())
    try:
        session = remote_start(
            connector_id=connector.pk,
            driver_id=driver.pk,
            actor_id=request.user.pk,
            channel=ChargingSession.Channel.APP,
        )
    except Refused as refusal:
        context = connector_context(connector.code, driver)
        context |= {"refusal": refusal, "remedy": REMEDIES.get(refusal.code, "")}
        return render(request, "site/connector.html", context, status=409)
    return redirect("session_detail", session.public_id)


@require_POST
@driver_page
def stop(request: HttpRequest, driver: Driver, public_id: UUID) -> HttpResponse:
    """Ask the charge point to stop the driver's own session."""
    try:
        session = session_of(driver.pk, public_id)
    except ChargingSession.DoesNotExist as error:
        raise Http404 from error
    try:
        remote_stop(session_id=session.pk, actor_id=request.user.pk, reason="driver")
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.info(request, _("The charge point has been asked to stop. This takes a few seconds."))
    return redirect("session_detail", public_id)
