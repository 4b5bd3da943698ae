"""The hosted pages of the fake payment provider: saving a card, and the question a cardholder's bank asks.

They stand in for pages of another company's: who has the unguessable link may use it, nobody is logged in.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from djmoney.money import Money

from billing.forms_fake import CardForm
from billing.models import FakeProviderObject
from billing.providers.base import PaymentState
from billing.providers.errors import RequestRefused
from billing.providers.fake import bank
from billing.providers.fake.cards import TEST_CARDS, OnSave, find_by_number

Kind = FakeProviderObject.Kind
View = ParamSpec("View")


def _fake_only(view: Callable[View, HttpResponse]) -> Callable[View, HttpResponse]:
    """404 unless the fake provider is the one in use."""

    @wraps(view)
    def guarded(*args: View.args, **kwargs: View.kwargs) -> HttpResponse:
        if settings.PAYMENT_PROVIDER != "fake":
            raise Http404
        return view(*args, **kwargs)

    return guarded


def _find(kind: str, reference: str) -> FakeProviderObject:
    try:
        return bank.find(kind, reference)
    except RequestRefused as error:
        raise Http404 from error


@never_cache
@_fake_only
@require_http_methods(["GET", "POST"])
def setup_page(request: HttpRequest, token: str) -> HttpResponse:
    """The card form. `?card=<number>` fills in a test card, without JavaScript."""
    setup = _find(Kind.SETUP, token)
    return_url = _with_setup(setup)
    if not bank.is_setup_open(setup):
        return render(request, "billing/pay/over.html", {"return_url": return_url}, status=410)
    chosen = find_by_number(request.GET.get("card", ""))
    form = CardForm(request.POST or None, initial=CardForm.example(chosen))
    if request.method == "POST" and form.is_valid():
        outcome = bank.enter_card(
            setup_reference=token, card=form.cleaned_data["number"], expires_on=form.cleaned_data["expires_on"]
        )
        if outcome is OnSave.ACCEPT:
            return redirect(return_url)
        if outcome is OnSave.CONFIRM:
            return redirect("fake_confirm", token)
        form.add_error("number", _("The bank declined this card. Nothing was saved; try another card."))
    return render(
        request,
        "billing/pay/card.html",
        {"form": form, "cards": TEST_CARDS, "return_url": return_url, "notice": setup.data.get("notice", "")},
        status=400 if form.errors else 200,
    )


@never_cache
@_fake_only
@require_http_methods(["GET", "POST"])
def confirm_page(request: HttpRequest, reference: str) -> HttpResponse:
    """The bank's question, about a payment or about saving a card."""
    if FakeProviderObject.objects.filter(kind=Kind.SETUP, reference=reference).exists():
        return _confirm_setup(request, _find(Kind.SETUP, reference))
    return _confirm_payment(request, _find(Kind.PAYMENT, reference))


def _confirm_setup(request: HttpRequest, setup: FakeProviderObject) -> HttpResponse:
    return_url = _with_setup(setup)
    if not bank.is_setup_open(setup) or "test_card" not in setup.data:
        return render(request, "billing/pay/over.html", {"return_url": return_url}, status=410)
    if request.method == "POST":
        bank.confirm_setup(setup_reference=setup.reference, is_confirmed=_is_confirmed(request))
        return redirect(return_url)
    return render(request, "billing/pay/confirm.html", {"amount": None})


def _confirm_payment(request: HttpRequest, payment: FakeProviderObject) -> HttpResponse:
    return_url = payment.data["return_url"]
    if payment.state != PaymentState.REQUIRES_ACTION:
        return render(request, "billing/pay/over.html", {"return_url": return_url}, status=410)
    if request.method == "POST":
        bank.answer_bank(payment_reference=payment.reference, is_confirmed=_is_confirmed(request))
        return redirect(return_url)
    card = bank.find(Kind.CARD, payment.data["card"])
    return render(
        request,
        "billing/pay/confirm.html",
        {"amount": Money(payment.data["amount"], payment.data["currency"]), "last4": card.data["last4"]},
    )


def _is_confirmed(request: HttpRequest) -> bool:
    return request.POST.get("answer") == "confirm"


def _with_setup(setup: FakeProviderObject) -> str:
    return f"{setup.data['return_url']}?{urlencode({'setup': setup.reference})}"
