"""Pages anybody may see: what this is, where one can charge, what it costs."""

from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Driver
from billing.models import ChargingSession
from billing.selectors.open_access import first_open, open_access_at
from common import clock
from config.forms.ad_hoc import PayForm
from config.selectors.ad_hoc import offer_or_none
from config.selectors.driver_sessions import OPEN
from config.selectors.stations import connectors_in_service, priced_connectors, public_locations
from config.views.access import contract_of, driver_of, wants_rows_only
from locations.models import Connector, Location

PER_PAGE = 20


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """The start page; who is logged in goes straight to his own."""
    if request.user.is_authenticated:
        return redirect("home")
    locations = public_locations("")
    return render(request, "site/start.html", {"locations": locations[:3], "location_count": locations.count()})


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """For browsers that ask for the icon before, or without, reading where the page says it is."""
    return redirect(static("img/mark.svg"))


@require_safe
@vary_on_headers("HX-Request")
def stations(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()[:100]
    page = Paginator(public_locations(search), PER_PAGE).get_page(request.GET.get("page"))
    template = "site/parts/station_rows.html" if wants_rows_only(request) else "site/stations.html"
    return render(request, template, {"page": page, "search": search})


@require_safe
def station(request: HttpRequest, code: str) -> HttpResponse:
    """One location, with a price per connector as this visitor would pay it."""
    location = get_object_or_404(Location, code=code, is_public=True)
    driver = driver_of(request)
    rows = priced_connectors(
        connectors_in_service().filter(charge_point__location=location),
        contract=contract_of(driver),
        channel=channel_of(driver),
        at=clock.now(),
    )
    free = first_open([row.connector for row in rows], clock.now())
    context = {"location": location, "rows": rows, "driver": driver, "free": free}
    return render(request, "site/station.html", context)


@require_safe
def connector(request: HttpRequest, code: str) -> HttpResponse:
    """The page behind the QR label: the price first, then how to start."""
    return render(request, "site/connector.html", connector_context(code, driver_of(request)))


def channel_of(driver: Driver | None) -> str:
    """Whose price is shown: a driver's, or what anybody pays without an account."""
    return ChargingSession.Channel.AD_HOC if driver is None else ChargingSession.Channel.APP


def connector_context(code: str, driver: Driver | None) -> dict[str, Any]:
    """Everything the connector page shows this driver. Raises Http404 for a code no connector in service has."""
    contract, now = contract_of(driver), clock.now()
    rows = priced_connectors(
        connectors_in_service().filter(code=code.upper()), contract=contract, channel=channel_of(driver), at=now
    )
    if not rows:
        raise Http404
    connector = rows[0].connector
    present = ChargingSession.objects.filter(connector=connector, status__in=OPEN).first()
    return {
        "connector": connector,
        "card": rows[0].card,
        "driver": driver,
        "contract": contract,
        "open_access": open_access_at(connector, now),
        "offer": offer_or_none(connector, now) if driver is None else None,
        "form": PayForm(),
        "own_session": present
        if present is not None and driver is not None and present.driver_id == driver.pk
        else None,
        "can_start": present is None
        and connector.charge_point.is_connected
        and connector.status in Connector.READY_TO_START,
    }
