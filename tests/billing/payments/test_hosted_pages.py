"""The fake provider's pages: what a person meets there with each card, and what the pages refuse."""

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Driver
from billing.models import FakeProviderObject, FundingLeg, PaymentMethod
from billing.providers.fake.cards import TEST_CARDS
from billing.services import methods
from tests.billing.payments.test_methods import logged_in
from tests.billing.payments.world import NOON, RETURN_URL, last_payment, standing
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = {"number": "4242 4242 4242 4242", "expires_on": "12/40", "cvc": "123"}


@pytest.fixture
def page(ada: Driver) -> str:
    return methods.start_setup(driver_id=ada.pk, return_url=RETURN_URL)


def saved() -> int:
    return FakeProviderObject.objects.filter(kind="card").count()


class TestCardPage:
    def test_it_lists_every_test_card_and_needs_no_script(self, page: str) -> None:
        response = Client().get(page)

        html = response.content.decode()
        assert response.status_code == 200
        assert all(card.grouped_number in html for card in TEST_CARDS)
        assert "<script" not in html
        assert " style=" not in html
        assert "no-store" in response.headers["Cache-Control"]

    @time_machine.travel(NOON, tick=False)
    def test_a_test_card_is_filled_in_by_its_link(self, page: str) -> None:
        html = Client().get(page, {"card": "4000000000009995"}).content.decode()

        assert 'value="4000 0000 0000 9995"' in html
        assert 'value="12/29"' in html

    def test_a_saved_card_leads_back_and_the_page_is_over(self, page: str) -> None:
        client = Client()

        response = client.post(page, GOOD)

        reference = page.rstrip("/").rpartition("/")[2]
        assert (response.status_code, response.headers["Location"]) == (302, f"{RETURN_URL}?setup={reference}")
        assert client.get(page).status_code == 410
        assert client.post(page, GOOD).status_code == 410
        assert saved() == 1

    def test_a_card_declined_here_is_not_saved_and_another_may_be_tried(self, page: str) -> None:
        client = Client()

        refused = client.post(page, {**GOOD, "number": "4000000000000002"})

        assert refused.status_code == 400
        assert "The bank declined this card. Nothing was saved; try another card." in refused.content.decode()
        assert saved() == 0
        assert client.post(page, GOOD).status_code == 302

    @pytest.mark.parametrize(
        ("field", "value", "sentence"),
        [
            ("number", "4111 1111 1111 1111", "Only the test cards below are accepted here."),
            ("number", "", "This field is required."),
            ("expires_on", "10/26", "This card has expired."),
            ("expires_on", "13/30", "Month and year as on the card, such as 04/29."),
            ("expires_on", "soon", "Month and year as on the card, such as 04/29."),
            ("cvc", "12", "The three digits on the back of the card."),
        ],
    )
    @time_machine.travel(NOON, tick=False)
    def test_a_mistake_is_explained_beside_its_field(self, ada: Driver, field: str, value: str, sentence: str) -> None:
        page = methods.start_setup(driver_id=ada.pk, return_url=RETURN_URL)

        response = Client().post(page, {**GOOD, field: value})

        assert response.status_code == 400
        assert sentence in response.content.decode()
        assert saved() == 0

    @time_machine.travel(NOON, tick=False)
    def test_a_card_is_good_to_the_end_of_its_month(self, ada: Driver) -> None:
        page = methods.start_setup(driver_id=ada.pk, return_url=RETURN_URL)

        assert Client().post(page, {**GOOD, "expires_on": "11/2026"}).status_code == 302
        assert FakeProviderObject.objects.get(kind="card").data["expires_on"] == "2026-11-30"

    def test_a_card_the_bank_wants_confirmed_first(self, page: str) -> None:
        client = Client()

        asked = client.post(page, {**GOOD, "number": "4000002500003155"})
        reference = page.rstrip("/").rpartition("/")[2]
        assert asked.headers["Location"] == reverse("fake_confirm", args=[reference])
        assert saved() == 0
        back = client.post(asked.headers["Location"], {"answer": "confirm"})

        assert back.headers["Location"] == f"{RETURN_URL}?setup={reference}"
        assert saved() == 1
        assert client.get(asked.headers["Location"]).status_code == 410

    def test_a_card_whose_confirmation_is_refused(self, ada: Driver, page: str) -> None:
        client = Client()
        asked = client.post(page, {**GOOD, "number": "4000002500003155"})

        back = client.post(asked.headers["Location"], {"answer": "refuse"})
        logged_in(ada).get(back.headers["Location"])

        assert saved() == 0
        assert PaymentMethod.objects.count() == 0

    def test_the_page_is_good_for_a_day(self, ada: Driver) -> None:
        with time_machine.travel(NOON, tick=False):
            page = methods.start_setup(driver_id=ada.pk, return_url=RETURN_URL)
        with time_machine.travel(NOON.replace(day=21), tick=False):
            assert Client().post(page, GOOD).status_code == 410
        assert saved() == 0

    def test_an_invented_link_leads_nowhere(self, db: None) -> None:
        assert Client().get("/pay/fake/setup/fake_setup_invented/").status_code == 404
        assert Client().get("/pay/fake/confirm/fake_payment_invented/").status_code == 404

    def test_forms_of_other_sites_are_refused(self, page: str) -> None:
        assert Client(enforce_csrf_checks=True).post(page, GOOD).status_code == 403
        assert saved() == 0

    def test_with_another_provider_there_are_no_such_pages(self, page: str, settings: Settings) -> None:
        settings.PAYMENT_PROVIDER = "stripe"

        assert Client().get(page).status_code == 404


class TestConfirmationPage:
    def test_it_says_how_much_and_from_which_card(self, unconfirmed: FundingLeg) -> None:
        html = Client().get(last_payment(unconfirmed).action_url).content.decode()

        assert "€6.20" in html
        assert "the card ending in 3184" in html

    def test_yes_pays_and_leads_back_to_the_session(self, ada: Driver, unconfirmed: FundingLeg) -> None:
        action_url = last_payment(unconfirmed).action_url
        public_id = unconfirmed.cdr.charging_session.public_id

        back = Client().post(action_url, {"answer": "confirm"})
        assert back.headers["Location"] == f"http://127.0.0.1:8000/pay/sessions/{public_id}/confirmed/"
        done = logged_in(ada).get(back.headers["Location"])

        assert (done.status_code, done.headers["Location"]) == (302, reverse("session_detail", args=[public_id]))
        assert standing(unconfirmed).leg == "paid"
        assert Client().post(action_url, {"answer": "refuse"}).status_code == 410
        assert standing(unconfirmed).charged == unconfirmed.amount

    @pytest.mark.parametrize("answer", ["refuse", "", "anything"])
    def test_anything_but_yes_is_no(self, ada: Driver, unconfirmed: FundingLeg, answer: str) -> None:
        back = Client().post(last_payment(unconfirmed).action_url, {"answer": answer})
        logged_in(ada).get(back.headers["Location"])

        assert standing(unconfirmed).payments == [("failed", "sca", "authentication_failed")]
        assert standing(unconfirmed).charged == 0

    def test_coming_back_is_for_the_driver_alone(self, unconfirmed: FundingLeg) -> None:
        address = reverse("payment_return", args=[unconfirmed.cdr.charging_session.public_id])

        assert logged_in(DriverFactory()).get(address).status_code == 404
        assert Client().get(address).headers["Location"] == f"/account/login/?next={address}"

    def test_forms_of_other_sites_are_refused(self, unconfirmed: FundingLeg) -> None:
        url = last_payment(unconfirmed).action_url

        assert Client(enforce_csrf_checks=True).post(url, {"answer": "confirm"}).status_code == 403
        assert standing(unconfirmed).charged == 0
