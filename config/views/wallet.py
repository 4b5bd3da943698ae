"""The wallet: what is in it, how it got there, and putting money in."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from djmoney.money import Money

from accounts.models import ContractType, Driver
from billing.models import Payment
from billing.providers.errors import ProviderUnavailable
from billing.selectors.auto_top_ups import auto_top_up_of, is_offered
from billing.selectors.payments import usable_methods
from billing.selectors.top_ups import unfinished_top_up
from billing.selectors.wallets import statement, wallet_of
from billing.services import top_ups
from common.errors import VoltledgerError
from common.formats import money_words
from config.forms.wallet import TopUpForm
from config.selectors.auto_top_up_words import plan_words, standing_words
from config.selectors.contract_words import contract_words, top_up_words
from config.selectors.wallet_words import event_words
from config.views.access import contract_of, driver_page
from config.wallet_statement import statement_file

PER_PAGE = 20


@require_safe
@driver_page
def wallet(request: HttpRequest, driver: Driver) -> HttpResponse:
    return _page(request, driver)


def _page(request: HttpRequest, driver: Driver, *, form: TopUpForm | None = None) -> HttpResponse:
    contract = contract_of(driver)
    kind = contract.contract_type if contract else None
    view = wallet_of(driver.pk)
    movements = [(event_words(row.event), row) for row in reversed(statement(driver.pk, view.currency))]
    methods = list(usable_methods(driver.pk))
    may_top_up = kind is not None and kind.self_topup
    context: dict[str, Any] = {
        "wallet": view,
        "contract": contract,
        "contract_words": contract_words(kind) if kind else [],
        "is_used": kind is not None and kind.wallet_use != kind.WalletUse.NONE,
        "top_up_words": top_up_words(kind),
        "has_card": bool(methods),
        **_automatic(driver, kind),
        "standing": unfinished_top_up(driver.pk),
        "form": form or (TopUpForm(None, currency=view.currency, methods=methods) if may_top_up and methods else None),
        "page": Paginator(movements, PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "site/wallet.html", context, status=400 if form else 200)


def _automatic(driver: Driver, kind: ContractType | None) -> dict[str, Any]:
    """How automatic top-up stands, where there is or could be one."""
    automatic = auto_top_up_of(driver.pk, kind)
    return {
        "offers_automatic": kind is not None and is_offered(kind),
        "automatic": automatic,
        "plan_words": plan_words(automatic.plan) if automatic else "",
        "standing_words": standing_words(automatic) if automatic else "",
    }


@require_POST
@driver_page
def top_up(request: HttpRequest, driver: Driver) -> HttpResponse:
    """Charge the chosen card and credit the wallet. The same form sent twice charges once."""
    currency = wallet_of(driver.pk).currency
    form = TopUpForm(request.POST, currency=currency, methods=list(usable_methods(driver.pk)))
    if not form.is_valid():
        return _page(request, driver, form=form)
    amount = Money(form.cleaned_data["amount"], currency)
    try:
        payment = top_ups.top_up(
            driver_id=driver.pk, amount=amount, key=form.cleaned_data["key"], method_id=form.cleaned_data["method"]
        )
    except VoltledgerError as error:
        form.add_error(None, error.message)
        return _page(request, driver, form=form)
    _tell(request, payment)
    return redirect("wallet")


def _tell(request: HttpRequest, payment: Payment) -> None:
    """Of one that is not paid the page itself says how it stands."""
    amount = money_words(payment.amount, payment.currency)
    if payment.status == Payment.Status.SUCCEEDED:
        messages.success(request, _("%(amount)s are in your wallet.") % {"amount": amount})


@require_POST
@driver_page
def cancel_top_up(request: HttpRequest, driver: Driver, payment_id: int) -> HttpResponse:
    """Call off a top-up that waits for the driver's confirmation."""
    try:
        payment = top_ups.cancel_top_up(driver_id=driver.pk, payment_id=payment_id)
    except Payment.DoesNotExist as error:
        raise Http404 from error
    except ProviderUnavailable as error:
        messages.warning(request, error.message)
        return redirect("wallet")
    if payment.status == Payment.Status.CANCELLED:
        messages.success(request, _("The top-up is cancelled. Nothing was charged."))
    else:
        _tell(request, payment)
    return redirect("wallet")


@require_safe
@driver_page
def wallet_export(request: HttpRequest, driver: Driver) -> HttpResponseBase:
    """The whole statement, oldest first, with the hash that chains each entry to the one before."""
    return statement_file(driver.pk)
