"""What a driver owes and has paid: cards, receipts."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Driver
from billing.models import Payment
from billing.selectors.debts import is_enough_together
from billing.selectors.payments import saved_methods
from billing.services.debts import retry_open_debt
from config.selectors.unpaid import unpaid
from config.views.access import driver_page
from invoicing.models import Document

PER_PAGE = 20


@require_safe
@driver_page
def payment_methods(request: HttpRequest, driver: Driver) -> HttpResponse:
    methods = list(saved_methods(driver.pk))
    open_items = unpaid(driver.pk)
    return render(
        request,
        "site/payment_methods.html",
        {
            "methods": methods,
            "has_usable": any(method.status == method.Status.ACTIVE for method in methods),
            "unpaid": open_items,
            # What is too little to be charged alone is not offered for payment alone.
            "may_pay_now": is_enough_together([item.collection.leg for item in open_items]),
        },
    )


@require_POST
@driver_page
def pay_now(request: HttpRequest, driver: Driver) -> HttpResponse:
    """Try everything the driver owes now, on the card used first."""
    made = retry_open_debt(driver_id=driver.pk)
    if made and all(payment.status == Payment.Status.SUCCEEDED for payment in made):
        messages.success(request, _("Everything is paid. Thank you."))
    elif made:
        messages.warning(request, _("The payment was not made. What to do is said beside each amount."))
    else:
        messages.info(request, _("Nothing could be charged just now. What is under way is finished first."))
    return redirect("payment_methods")


@require_safe
@driver_page
def receipts(request: HttpRequest, driver: Driver) -> HttpResponse:
    documents = (
        Document.objects.filter(driver=driver, status=Document.Status.ISSUED)
        .select_related("cdr__charging_session__charge_point__location")
        .order_by("-issued_at", "-pk")
    )
    page = Paginator(documents, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "site/receipts.html", {"page": page})
