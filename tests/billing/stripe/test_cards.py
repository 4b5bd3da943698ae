"""Saving a card on Stripe's page, and forgetting it."""

from datetime import date

import pytest

from billing.providers.base import CustomerRequest, SetupRequest, SetupState
from billing.providers.errors import RequestRefused
from billing.providers.stripe.provider import StripeProvider
from tests.billing.stripe.server import Server, refusal, setup_page

pytestmark = pytest.mark.django_db


def test_a_driver_is_one_customer(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers({"id": "cus_Ada", "object": "customer"})

    reference = stripe_provider.customer(
        CustomerRequest(
            idempotency_key="driver:1:customer", client_reference="1", name="Ada", email="ada@voltledger.example"
        )
    )

    assert reference == "cus_Ada"
    assert (server.asked[0].path, server.asked[0].idempotency_key) == ("/v1/customers", "driver:1:customer")
    assert server.asked[0].form["email"] == "ada@voltledger.example"


def test_the_page_brings_the_driver_back_with_its_reference(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers(setup_page(status="open"))

    page = stripe_provider.start_setup(
        SetupRequest(
            idempotency_key="driver:1:setup:x",
            customer="cus_Ada",
            client_reference="driver-ada",
            return_url="https://voltledger.example/pay/methods/added/",
        )
    )

    form = server.asked[0].form
    assert (form["mode"], form["customer"], form["client_reference_id"]) == ("setup", "cus_Ada", "driver-ada")
    assert form["success_url"] == "https://voltledger.example/pay/methods/added/?setup={CHECKOUT_SESSION_ID}"
    assert (page.reference, page.url) == ("cs_test_Ada", "https://checkout.stripe.com/c/pay/cs_test_Ada")


def test_the_page_says_what_the_card_is_for_where_that_is_told(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers(setup_page(status="open"))
    stripe_provider.start_setup(
        SetupRequest(
            idempotency_key="ad_hoc:1:setup:x",
            customer="cus_Ada",
            client_reference="1",
            return_url="https://voltledger.example/pay/ad-hoc/x/card/",
            notice="25.00 € will be reserved.",
        )
    )
    assert server.asked[0].form["custom_text[submit][message]"] == "25.00 € will be reserved."


def test_a_saved_card_is_brand_digits_and_its_last_day(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers(setup_page())

    setup = stripe_provider.fetch_setup("cs_test_Ada")

    assert (setup.state, setup.customer, setup.client_reference) == (SetupState.SUCCEEDED, "cus_Ada", "driver-ada")
    assert setup.card is not None
    assert (setup.card.reference, setup.card.brand, setup.card.last4) == ("pm_1Ada", "visa", "4242")
    assert setup.card.expires_on == date(2027, 12, 31)


@pytest.mark.parametrize(
    ("status", "setup_status", "state"),
    [
        ("open", "requires_payment_method", SetupState.OPEN),
        ("complete", "processing", SetupState.OPEN),
        ("expired", "canceled", SetupState.DECLINED),
    ],
)
def test_no_card_before_the_bank_agreed(
    stripe_provider: StripeProvider, server: Server, status: str, setup_status: str, state: SetupState
) -> None:
    server.answers(setup_page(status, setup_status))

    setup = stripe_provider.fetch_setup("cs_test_Ada")

    assert (setup.state, setup.card) == (state, None)


def test_a_page_for_something_else_is_no_setup(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers(setup_page(mode="payment"))

    with pytest.raises(RequestRefused):
        stripe_provider.fetch_setup("cs_test_Ada")


def test_forgetting_a_card_twice_is_fine(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers({"id": "pm_1Ada", "object": "payment_method"}, refusal("payment_method_unexpected_state"))

    stripe_provider.forget_method("pm_1Ada")
    stripe_provider.forget_method("pm_1Ada")

    assert [asked.path for asked in server.asked] == ["/v1/payment_methods/pm_1Ada/detach"] * 2
