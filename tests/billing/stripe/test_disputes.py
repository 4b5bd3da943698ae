"""Disputes as Stripe tells them, in our words."""

from datetime import UTC, datetime
from typing import Any

import pytest
from djmoney.money import Money

from billing.providers.base import DisputeState
from billing.providers.errors import RequestRefused
from billing.providers.stripe.provider import StripeProvider
from tests.billing.stripe.server import Server, refusal

pytestmark = pytest.mark.django_db

WITHDRAWN = {
    "id": "txn_1",
    "object": "balance_transaction",
    "amount": -620,
    "fee": 1500,
    "net": -2120,
    "currency": "eur",
}
REINSTATED = {"id": "txn_2", "object": "balance_transaction", "amount": 620, "fee": 0, "net": 620, "currency": "eur"}


def dispute(status: str = "needs_response", *moves: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "du_1Ada",
        "object": "dispute",
        "amount": 620,
        "balance_transactions": list(moves),
        "charge": "ch_3Ada",
        "created": 1_795_000_000,
        "currency": "eur",
        "evidence_details": {"due_by": 1_795_700_000, "has_evidence": False, "past_due": False},
        "payment_intent": "pi_3Ada",
        "reason": "fraudulent",
        "status": status,
        **changes,
    }


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("warning_needs_response", DisputeState.INQUIRY),
        ("warning_under_review", DisputeState.INQUIRY),
        ("warning_closed", DisputeState.INQUIRY_CLOSED),
        ("needs_response", DisputeState.NEEDS_RESPONSE),
        ("under_review", DisputeState.UNDER_REVIEW),
        ("won", DisputeState.WON),
        ("lost", DisputeState.LOST),
    ],
)
def test_a_dispute_is_read_with_its_deadline(
    stripe_provider: StripeProvider, server: Server, status: str, state: DisputeState
) -> None:
    server.answers(dispute(status))

    told = stripe_provider.fetch_dispute("du_1Ada")

    assert server.asked[0].path == "/v1/disputes/du_1Ada"
    assert told is not None
    assert (told.reference, told.payment_reference, told.state) == ("du_1Ada", "pi_3Ada", state)
    assert (told.amount, told.reason) == (Money("6.20", "EUR"), "fraudulent")
    assert told.opened_at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert told.evidence_due_at == datetime.fromtimestamp(1_795_700_000, UTC)
    assert (told.withdrawn, told.fee, told.reinstated) == (Money(0, "EUR"), Money(0, "EUR"), Money(0, "EUR"))


def test_what_was_withdrawn_and_came_back_is_told_apart_from_the_fee(
    stripe_provider: StripeProvider, server: Server
) -> None:
    server.answers(dispute("needs_response", WITHDRAWN), dispute("won", WITHDRAWN, {**REINSTATED, "fee": -1500}))

    taken, won = stripe_provider.fetch_dispute("du_1Ada"), stripe_provider.fetch_dispute("du_1Ada")

    assert taken is not None
    assert (taken.withdrawn, taken.fee, taken.reinstated) == (Money("6.20", "EUR"), Money("15", "EUR"), Money(0, "EUR"))
    assert won is not None
    assert (won.withdrawn, won.fee) == (Money("6.20", "EUR"), Money("15", "EUR"))
    assert (won.reinstated, won.fee_returned) == (Money("6.20", "EUR"), Money("15", "EUR"))


def test_money_settled_in_another_currency_is_the_disputed_amount(
    stripe_provider: StripeProvider, server: Server
) -> None:
    server.answers(dispute("lost", {**WITHDRAWN, "amount": -700, "currency": "chf"}))

    told = stripe_provider.fetch_dispute("du_1Ada")

    assert told is not None
    assert (told.withdrawn, told.fee) == (Money("6.20", "EUR"), Money(0, "EUR"))


def test_an_unknown_one_is_refused(stripe_provider: StripeProvider, server: Server) -> None:
    server.answers(refusal("resource_missing"))

    with pytest.raises(RequestRefused):
        stripe_provider.fetch_dispute("du_2")
