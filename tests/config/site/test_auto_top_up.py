"""Ada lets her wallet be topped up by itself, changes her mind, and a stranger cannot do it for her."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Driver
from billing.models import AutoTopUp, Payment
from billing.payment_tasks import sweep_auto_top_ups
from tests.billing.payments.world import save_card, work_off_queue
from tests.billing.wallets.world import balance
from tests.config.portal.staff import browser_of
from tests.config.site.reading import words
from tests.config.site.world import driver_with, lot_of

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {"threshold": "10", "amount": "25", "max_per_day": "50", "max_per_month": "100", "consent": "on"}


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    driver = driver_with("wallet", "auto_topup")
    save_card(driver)
    lot_of(driver, "20.00")
    return driver


def test_it_is_agreed_to_shown_changed_and_switched_off(ada: Driver, browse) -> None:
    client: Client = browse(ada)
    assert "Your card can be charged by itself when your balance runs low" in words(client.get(reverse("wallet")))
    page = words(client.get(reverse("auto_top_up")))
    assert "I agree that Voltledger charges the card I use first, now Visa •4242, by itself" in page

    page = words(client.post(reverse("auto_top_up"), FORM, follow=True))

    assert "Automatic top-up is on." in page
    assert "Below 10.00 €, 25.00 € are charged; at most 50.00 € in a day and 100.00 € in a month." in page
    event = AuditEvent.objects.get(action="auto_top_up_agreed")
    assert (event.actor, event.subject_id) == (ada.user, str(ada.pk))
    assert event.data["consent"].startswith("I agree that Voltledger charges the card I use first, now Visa •4242")
    work_off_queue()
    assert balance(ada) == Decimal("20.00")

    client.post(reverse("auto_top_up"), {**FORM, "threshold": "20.01"})
    work_off_queue()
    assert balance(ada) == Decimal("45.00")
    assert "Automatic top-up, Visa •4242" in words(client.get(reverse("wallet")))

    page = words(client.post(reverse("auto_top_up_pause"), follow=True))
    assert "Automatic top-up is switched off. Nothing is charged by itself any more." in page
    assert AutoTopUp.objects.get().status == "paused"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"consent": ""}, "Without your consent nothing is charged."),
        ({"amount": "4"}, "You can top up between 5.00 € and 500.00 € at once."),
        ({"max_per_day": "20"}, "The most per day must be at least the amount"),
        ({"threshold": "ten"}, "Enter a number."),
    ],
)
def test_a_form_that_does_not_fit_switches_nothing_on(
    ada: Driver, browse, changes: dict[str, str], complaint: str
) -> None:
    page = browse(ada).post(reverse("auto_top_up"), {**FORM, **changes})
    assert page.status_code == 400
    assert complaint in words(page)
    assert not AutoTopUp.objects.exists()


def test_where_the_contract_does_not_offer_it_there_is_no_page(browse) -> None:
    driver = driver_with("wallet")
    save_card(driver)
    client = browse(driver)
    assert client.get(reverse("auto_top_up")).status_code == 404
    assert client.post(reverse("auto_top_up"), FORM).status_code == 404
    assert reverse("auto_top_up") not in client.get(reverse("wallet")).content.decode()


def test_without_a_card_it_asks_for_one(browse) -> None:
    page = words(browse(driver_with("wallet", "auto_topup")).get(reverse("auto_top_up")))
    assert "Save a card first." in page


def test_only_who_is_logged_in_and_only_for_oneself(ada: Driver, browse) -> None:
    for name in ("auto_top_up", "auto_top_up_pause"):
        assert Client().post(reverse(name), FORM).status_code == 302
    stranger = driver_with("wallet", "auto_topup", email="eve@example.org", name="Eve")
    browse(ada).post(reverse("auto_top_up"), FORM)
    browse(stranger).post(reverse("auto_top_up_pause"))
    assert (AutoTopUp.objects.get().driver, AutoTopUp.objects.get().status) == (ada, "on")


def test_a_failure_and_the_end_of_it_are_told_on_the_page_and_to_the_operator(browse) -> None:
    driver = driver_with("wallet", "auto_topup")
    save_card(driver, "insufficient_funds")
    client = browse(driver)
    client.post(reverse("auto_top_up"), FORM)
    work_off_queue()
    page = words(client.get(reverse("wallet")))
    assert "The last top-up failed. If the next one fails too, it is switched off." in page
    AutoTopUp.objects.update(next_attempt_at=None)  # an hour later
    sweep_auto_top_ups()
    assert Payment.objects.filter(is_automatic=True, status="failed").count() == 2
    assert "Two top-ups failed in a row, so it was switched off." in words(client.get(reverse("wallet")))
    tab = browser_of("Support").get(reverse("admin:accounts_driver_change", args=[driver.pk]), {"tab": "wallet"})
    assert "Two top-ups failed in a row, so it was switched off." in words(tab)
    assert "Below 10.00 €, 25.00 € are charged" in words(tab)
