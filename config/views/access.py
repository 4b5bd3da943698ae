"""Who may see a page of the driver site."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control

from accounts.errors import NoContract
from accounts.models import Contract, Driver, Partner, PartnerMember, User
from accounts.selectors.contracts import contract_in_force
from common import clock

P = ParamSpec("P")


def wants_rows_only(request: HttpRequest) -> bool:
    """True when htmx asks, which swaps the rows into the page it has; such views vary on HX-Request."""
    return request.headers.get("HX-Request") == "true"


def driver_of(request: HttpRequest) -> Driver | None:
    """The driver behind the login, if any."""
    if not request.user.is_authenticated:
        return None
    return Driver.objects.filter(user=request.user).first()


def signed_in(request: HttpRequest) -> User:
    """The login behind a page that demands one."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def managed_by(request: HttpRequest) -> list[Partner]:
    """The companies this login manages, by name."""
    return list(
        Partner.objects.filter(members__user=signed_in(request), members__role=PartnerMember.Role.MANAGER).distinct()
    )


def contract_of(driver: Driver | None) -> Contract | None:
    """The contract in force now; None for nobody and for a driver without one."""
    if driver is None:
        return None
    try:
        return contract_in_force(driver.pk, clock.now())
    except NoContract:
        return None


def driver_page(
    view: Callable[Concatenate[HttpRequest, Driver, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Log in first; the view is given the driver. A login that is nobody's driver is offered to become one.

    What is answered is kept by no cache: it shows what a person has and owes.
    """

    @login_required
    @wraps(view)
    def page(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        driver = driver_of(request)
        if driver is None:
            answer: HttpResponseBase = render(request, "site/no_driver.html", {"companies": managed_by(request)})
        else:
            answer = view(request, driver, *args, **kwargs)
        patch_cache_control(answer, private=True, no_store=True)
        return answer

    return page
