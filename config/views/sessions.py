"""A driver's sessions: the list, one of them, its live figures."""

from collections.abc import Iterator
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Driver
from billing.models import ChargingSession
from common import clock
from common.spreadsheets import csv_file
from config.forms.sessions import SessionFilter
from config.selectors.driver_sessions import live, search_sessions, session_of, sessions_of
from config.selectors.hold_words import not_reserved_words, reserved_on_cards
from config.selectors.meter_curve import meter_curve
from config.selectors.price_basis import price_basis
from config.selectors.price_explanation import explain
from config.selectors.refund_words import given_back_words, refunds_shown
from config.views.access import driver_page

PER_PAGE = 20


@require_safe
@driver_page
def session_list(request: HttpRequest, driver: Driver) -> HttpResponse:
    form = SessionFilter(request.GET)
    found = _found(form, driver)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return render(
        request,
        "site/sessions.html",
        {
            "form": form,
            "page": page,
            "query": query.urlencode(),
            "is_filtered": any(request.GET.get(k) for k in form.fields),
        },
    )


@require_safe
@driver_page
def session_export(request: HttpRequest, driver: Driver) -> HttpResponseBase:
    """The list as it is filtered now, as CSV. Net, VAT and total are what was paid in the end."""
    heading = [_("Session"), _("Started"), _("Ended"), _("Place"), _("City"), _("Charge point"), _("kWh"), _("Minutes")]
    heading += [_("Net"), _("VAT"), _("Total"), _("Currency"), _("State"), _("Billed"), _("Given back")]
    return csv_file("sessions.csv", heading, _rows(_found(SessionFilter(request.GET), driver)))


@never_cache
@require_safe
@driver_page
def session_detail(request: HttpRequest, driver: Driver, public_id: UUID) -> HttpResponse:
    """Live while it runs; afterwards what it cost, why, and how it was paid."""
    session = _own_session(driver, public_id)
    cdr = getattr(session, "cdr", None)
    return render(
        request,
        "site/session.html",
        {
            "live": live(session, clock.now()),
            "session": session,
            "location": session.charge_point.location,
            "cdr": cdr,
            "explanation": explain(session, cdr) if cdr else None,
            "basis": price_basis(session, cdr) if cdr else None,
            "refunds": refunds_shown(cdr) if cdr else [],
            "curve": meter_curve(session),
            "reserved": reserved_on_cards(session),
            "not_reserved": not_reserved_words(session),
        },
    )


@never_cache
@require_safe
@driver_page
def session_live(request: HttpRequest, driver: Driver, public_id: UUID) -> HttpResponse:
    """The live figures alone, for pages whose socket does not come through."""
    figures = live(_own_session(driver, public_id), clock.now())
    response = render(request, "site/parts/live.html", {"live": figures})
    response["X-Live-State"] = figures.state
    return response


def _own_session(driver: Driver, public_id: UUID) -> ChargingSession:
    try:
        return session_of(driver.pk, public_id)
    except ChargingSession.DoesNotExist as error:
        raise Http404 from error


def _found(form: SessionFilter, driver: Driver) -> QuerySet[ChargingSession]:
    sessions = sessions_of(driver.pk)
    if not form.is_valid():
        return sessions.none()
    return search_sessions(sessions, words=form.words(), since=form.since_at(), until=form.until_at())


def _rows(sessions: QuerySet[ChargingSession]) -> Iterator[list[object]]:
    for session in sessions.iterator(chunk_size=500):
        cdr = getattr(session, "cdr", None)
        location = session.charge_point.location
        seconds = live(session, clock.now()).seconds
        yield [
            session.pk,
            session.started_at,
            session.ended_at,
            location.name,
            location.city,
            session.charge_point.identity,
            (cdr.energy_wh if cdr else session.energy_wh) / 1000,
            None if seconds is None else seconds // 60,
            session.final_net,  # type: ignore[attr-defined]
            session.final_vat,  # type: ignore[attr-defined]
            session.final_gross,  # type: ignore[attr-defined]
            session.currency,
            str(session.get_payment_status_display() if cdr else session.get_status_display()),
            cdr.gross if cdr else None,
            given_back_words(session),
        ]
