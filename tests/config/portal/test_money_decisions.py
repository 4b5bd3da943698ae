"""Payments in doubt, and what a customer owes, decided in the portal; who may not decide cannot."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import Payment
from billing.selectors.receivables import owed_by
from billing.services.payment_sweep import reread_payment
from tests.billing.payments.test_doubtful import parked_top_up
from tests.config.portal.staff import browser_of
from tests.factories import ContractFactory, DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = {"key": "8f14e45f-ceea-467f-a8f1-000000000001", "reason": "The provider took too much."}
CONFIRMED = {**ASKED, "confirmed": "1"}
VERBS = ("ask_again", "close_unpaid", "give_back")


@pytest.fixture
def payment() -> Payment:
    _ada, payment = parked_top_up()
    return reread_payment(payment_id=payment.pk)


def address(payment: Payment, page: str) -> str:
    return reverse(f"admin:billing_payment_{page}", args=[payment.pk])


def test_a_payment_in_doubt_is_a_piece_of_work(payment: Payment) -> None:
    fina = browser_of("Finance")
    queue = reverse("admin:billing_payment_changelist")
    assert fina.get(queue, {"queue": "doubtful"}).context["cl"].result_count == 1
    figures = {str(figure.label): figure.value for figure in fina.get(reverse("admin:index")).context["queues"]}
    assert figures["Payments in doubt"] == "1"
    page = fina.get(address(payment, "change")).content.decode()
    assert "Nobody knows yet whether the money was taken." in page
    assert all(address(payment, verb) in page for verb in VERBS)

    refused = fina.post(address(payment, "close_unpaid"), CONFIRMED).content.decode()
    assert "The provider has taken money for it." in refused
    preview = fina.post(address(payment, "give_back"), ASKED).content.decode()
    assert "Wallet top-up of Ada, 25.00\xa0€ on Visa •6975." in preview
    assert Payment.objects.get().status == "unanswered"
    assert fina.post(address(payment, "give_back"), CONFIRMED).status_code == 302

    assert Payment.objects.get().status == "cancelled"
    assert fina.get(queue, {"queue": "doubtful"}).context["cl"].result_count == 0
    assert address(payment, "give_back") not in fina.get(address(payment, "change")).content.decode()


@pytest.mark.parametrize("role", ["Support", "Operations", "Read-only"])
def test_who_may_not_decide_cannot(payment: Payment, role: str) -> None:
    client = browser_of(role)
    assert [client.post(address(payment, verb), CONFIRMED).status_code for verb in VERBS] == [403] * 3
    debt = reverse("admin:accounts_driver_adjust_debt", args=[payment.driver_id])
    assert client.post(debt, CONFIRMED).status_code == 403
    driver = Client()
    driver.force_login(DriverFactory().user)
    assert driver.get(debt, follow=True).status_code == 403
    payment.refresh_from_db()
    assert (payment.status, AuditEvent.objects.filter(action__startswith="payment_").count()) == ("unanswered", 0)


def test_what_a_customer_owes_is_adjusted_after_it_was_said_what_happens() -> None:
    driver = ContractFactory().driver
    fina = browser_of("Finance")
    debt = reverse("admin:accounts_driver_adjust_debt", args=[driver.pk])
    customer = reverse("admin:accounts_driver_change", args=[driver.pk]) + "?tab=payments"
    assert debt in fina.get(customer).content.decode()
    raised = {"amount": "10.00", "direction": "raise", "settled": "bank_clearing"}

    preview = fina.post(debt, {**ASKED, **raised}).content.decode()
    assert f"What {driver} owes goes from 0.00\xa0€ to 10.00\xa0€." in preview
    assert owed_by(driver.pk, "EUR").balance == 0
    for _ in range(2):
        assert fina.post(debt, {**CONFIRMED, **raised}).status_code == 302

    assert owed_by(driver.pk, "EUR").balance == Decimal("10.00")
    assert "Owed in all: 10.00\xa0€" in fina.get(customer).content.decode()
    lowered = {**CONFIRMED, **raised, "direction": "lower", "amount": "10.01", "key": ASKED["key"].replace("1", "2")}
    assert "Beside what sessions cost, 10.00\xa0€ is owed." in fina.post(debt, lowered).content.decode()
    assert owed_by(driver.pk, "EUR").balance == Decimal("10.00")
