"""What Stripe lists to compare our books with, and what it is told of drivers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from billing.providers.base import CustomerUpdate, Listing, PaymentState
from billing.providers.errors import ProviderUnavailable, RequestRefused
from billing.providers.stripe.provider import StripeProvider
from tests.billing.stripe.server import Server, declined_intent, held, intent, refund, refusal, waiting
from tests.billing.stripe.test_disputes import WITHDRAWN, dispute

pytestmark = pytest.mark.django_db

SPAN = Listing(datetime(2026, 11, 20, 6, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC))


def page(*things: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "url": "x", "has_more": has_more, "data": list(things)}


def test_payments_and_holds_of_a_span_come_page_by_page(stripe_provider: StripeProvider, server: Server) -> None:
    foreign = intent(id="pi_theirs", metadata={})
    server.answers(page(intent(), held(id="pi_held"), has_more=True), page(foreign, waiting(), declined_intent("x")))

    first = stripe_provider.list_payments(SPAN)
    rest = stripe_provider.list_payments(Listing(SPAN.since, SPAN.until, first.cursor))

    asked = server.asked[0]
    assert (asked.method, asked.path) == ("get", "/v1/payment_intents")
    assert asked.form["created[gte]"] == str(int(SPAN.since.timestamp()))
    assert asked.form["created[lt]"] == str(int(SPAN.until.timestamp()))
    assert "starting_after" not in asked.form
    assert (first.cursor, server.asked[1].form["starting_after"]) == ("pi_held", "pi_held")
    assert [result.state for result in first.items] == [PaymentState.SUCCEEDED, PaymentState.HELD]
    assert (rest.items[0].state, rest.items[0].idempotency_key) == (PaymentState.SUCCEEDED, "")
    # One that waits for its bank is listed though the bank's page is not asked for.
    assert [result.state for result in rest.items][1:] == [PaymentState.REQUIRES_ACTION, PaymentState.DECLINED]
    assert rest.cursor == ""


def test_a_waiting_payment_without_its_page_does_not_break_a_listing(
    stripe_provider: StripeProvider, server: Server
) -> None:
    server.answers(page(intent("requires_action"), intent("a_state_of_tomorrow"), intent()))

    assert [result.state for result in stripe_provider.list_payments(SPAN).items] == [
        PaymentState.REQUIRES_ACTION,
        PaymentState.SUCCEEDED,
    ]


def test_refunds_and_disputes_of_a_span(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers(page(refund("pending"), has_more=True), page(dispute("lost", WITHDRAWN)))

    refunds, disputes = stripe_provider.list_refunds(SPAN), stripe_provider.list_disputes(SPAN)

    assert [asked.path for asked in server.asked] == ["/v1/refunds", "/v1/disputes"]
    assert ([result.state for result in refunds.items], refunds.cursor) == ([PaymentState.PENDING], "re_3Ada")
    assert ([result.reference for result in disputes.items], disputes.cursor) == (["du_1Ada"], "")


def test_an_outage_is_no_empty_list(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers((500, {"error": {"type": "api_error", "message": "Sorry."}}))

    with pytest.raises(ProviderUnavailable):
        stripe_provider.list_payments(SPAN)


def test_a_customer_is_told_a_new_name_under_its_key(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers({"id": "cus_Ada", "object": "customer"}, refusal("email_invalid", "Invalid email address."))
    update = CustomerUpdate("driver:1:customer:2", "cus_Ada", "Ada King", "king@voltledger.example")

    stripe_provider.update_customer(update)
    with pytest.raises(RequestRefused, match="Invalid email"):
        stripe_provider.update_customer(update)

    asked = server.asked[0]
    assert (asked.method, asked.path, asked.idempotency_key) == ("post", "/v1/customers/cus_Ada", "driver:1:customer:2")
    assert asked.form == {"name": "Ada King", "email": "king@voltledger.example"}
