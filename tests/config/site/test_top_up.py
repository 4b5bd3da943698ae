"""Ada tops up on the wallet page."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Driver
from billing.models import Payment
from billing.providers.fake import bank
from tests.billing.payments.world import save_card
from tests.billing.wallets.world import balance, taken_at_bank
from tests.config.site.reading import text, words
from tests.config.site.world import driver_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    return driver_with("wallet")


def form_of(driver: Driver, amount: str = "25") -> dict[str, str]:
    return {"key": str(uuid4()), "amount": amount, "method": str(driver.payment_methods.latest("pk").pk)}


def test_the_amount_is_in_the_wallet_at_once(ada: Driver, browse) -> None:
    save_card(ada)
    client: Client = browse(ada)
    assert "Between 5.00 € and 500.00 €." in words(client.get(reverse("wallet")))
    form = form_of(ada)

    page = words(client.post(reverse("top_up"), form, follow=True))
    again = words(client.post(reverse("top_up"), form, follow=True))

    assert "25.00 € are in your wallet." in page
    assert "25.00 € are in your wallet." in again
    assert (balance(ada), taken_at_bank()) == (Decimal("25.00"), Decimal("25.00"))


def test_without_a_card_it_asks_for_one(ada: Driver, browse) -> None:
    assert "To top up, save a card first." in words(browse(ada).get(reverse("wallet")))


def test_a_decline_is_told_with_what_to_do(ada: Driver, browse) -> None:
    save_card(ada, "insufficient_funds")
    page = words(browse(ada).post(reverse("top_up"), form_of(ada), follow=True))
    assert "There was not enough money on the card. Nothing was charged. Try a smaller amount or another card" in page
    assert balance(ada) == 0


@pytest.mark.parametrize(
    ("amount", "complaint"),
    [
        ("4", "You can top up between 5.00 € and 500.00 € at once."),
        ("", "This field is required."),
        ("ten", "Enter a number."),
        ("10.001", "no more than 2 decimal places"),
    ],
)
def test_a_wrong_amount_charges_nothing(ada: Driver, browse, amount: str, complaint: str) -> None:
    save_card(ada)
    page = browse(ada).post(reverse("top_up"), form_of(ada, amount))
    assert page.status_code == 400
    assert complaint in words(page)
    assert not Payment.objects.exists()


def test_a_contract_without_top_up_says_who_can_and_refuses_a_forged_form(browse) -> None:
    driver = driver_with("credit")
    save_card(driver)
    client = browse(driver)
    page = client.get(reverse("wallet"))
    assert "Your operator can add credit. You cannot top up on this contract." in words(page)
    assert reverse("top_up") not in text(page)
    answer = client.post(reverse("top_up"), form_of(driver))
    assert answer.status_code == 400
    assert not Payment.objects.exists()


class TestConfirmation:
    def test_the_page_leads_to_the_bank_and_back(self, ada: Driver, browse) -> None:
        save_card(ada, "confirm_each")
        client = browse(ada)
        page = client.post(reverse("top_up"), form_of(ada), follow=True)
        payment = Payment.objects.get()
        assert payment.action_url in text(page)
        assert "Your bank wants you to confirm this top-up." in words(page)
        bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)

        back = words(client.get(reverse("top_up_return", args=[payment.pk]), follow=True))

        assert "Your bank wants you to confirm" not in back
        assert balance(ada) == Decimal("25.00")

    def test_it_can_be_cancelled(self, ada: Driver, browse) -> None:
        save_card(ada, "confirm_each")
        client = browse(ada)
        client.post(reverse("top_up"), form_of(ada))
        payment = Payment.objects.get()
        page = words(client.post(reverse("top_up_cancel", args=[payment.pk]), follow=True))
        assert "The top-up is cancelled. Nothing was charged." in page

    def test_a_stranger_gets_a_404(self, ada: Driver, browse) -> None:
        save_card(ada, "confirm_each")
        browse(ada).post(reverse("top_up"), form_of(ada))
        payment = Payment.objects.get()
        stranger = browse(driver_with("wallet", email="eve@example.org", name="Eve"))
        assert stranger.get(reverse("top_up_return", args=[payment.pk])).status_code == 404
        assert stranger.post(reverse("top_up_cancel", args=[payment.pk])).status_code == 404
        payment.refresh_from_db()
        assert payment.status == "requires_action"
