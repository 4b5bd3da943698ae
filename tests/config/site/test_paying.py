"""“Pay now”: what is owed is tried on the card used first. A provider is never called inside a transaction."""

import pytest
from django.urls import reverse

from accounts.models import Driver
from tests.billing.payments.world import owe, save_card, standing
from tests.config.site.reading import words
from tests.config.site.world import driver_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def debtor() -> Driver:
    return driver_with()


def test_pay_now_settles_the_debt(debtor: Driver, browse) -> None:
    save_card(debtor)
    leg = owe(debtor, "6.20")
    browser = browse(debtor)
    assert "Pay now with the card used first" in words(browser.get(reverse("payment_methods")))

    page = words(browser.post(reverse("pay_now"), follow=True))

    assert "Everything is paid. Thank you." in page
    assert "Not paid yet" not in page
    assert standing(leg).leg == "paid"


def test_a_declined_payment_says_why_and_keeps_the_debt_in_sight(debtor: Driver, browse) -> None:
    save_card(debtor, "insufficient_funds")
    leg = owe(debtor, "6.20")

    page = words(browse(debtor).post(reverse("pay_now"), follow=True))

    assert "The payment was not made." in page
    assert "There was not enough money on the card." in page
    assert standing(leg).leg == "retrying"


def test_without_a_card_there_is_no_button_and_the_page_says_what_to_do(debtor: Driver, browse) -> None:
    owe(debtor, "6.20")
    page = words(browse(debtor).get(reverse("payment_methods")))
    assert "There is no usable card. Add one and this is paid at once." in page
    assert "Pay now" not in page


def test_what_is_too_little_for_a_card_is_explained_and_not_offered_for_payment(debtor: Driver, browse) -> None:
    save_card(debtor)
    owe(debtor, "0.30")
    browser = browse(debtor)
    page = words(browser.get(reverse("payment_methods")))
    assert "0.30 €" in page
    assert "A card is not charged less than 0.50 €. This is charged together with what comes next." in page
    assert "Pay now with" not in page
    owe(debtor, "0.30")
    assert "Pay now with" in words(browser.get(reverse("payment_methods")))
    assert "Everything is paid." in words(browser.post(reverse("pay_now"), follow=True))
