"""Charges, holds and refunds as Stripe is asked for them, and its answers in our words."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import stripe
from djmoney.money import Money

from billing.providers.base import CaptureRequest, Decline, PaymentRequest, PaymentState, RefundRequest
from billing.providers.errors import IdempotencyMismatch, ProviderUnavailable, RequestRefused
from billing.providers.stripe.amounts import from_stripe, to_stripe
from billing.providers.stripe.provider import StripeProvider
from tests.billing.stripe.server import (
    CAPTURE_BEFORE,
    Server,
    decline,
    declined_intent,
    held,
    intent,
    refund,
    refusal,
    waiting,
)

pytestmark = pytest.mark.django_db

KEY = "session:1:leg:1:attempt:1"
REQUEST = PaymentRequest(
    idempotency_key=KEY,
    customer="cus_Ada",
    method="pm_1Ada",
    amount=Money(Decimal("6.20"), "EUR"),
    description="Voltledger #1",
    return_url="https://voltledger.example/pay/sessions/1/confirmed/",
)


class TestCharge:
    def test_a_charge_is_asked_for_off_session_under_our_key(
        self, stripe_provider: StripeProvider, server: Server
    ) -> None:
        server.answers(intent())

        result = stripe_provider.charge(REQUEST)

        asked = server.asked[0]
        assert (asked.method, asked.path, asked.idempotency_key) == ("post", "/v1/payment_intents", KEY)
        assert asked.form["amount"] == "620"
        assert asked.form["currency"] == "eur"
        assert asked.form["customer"] == "cus_Ada"
        assert asked.form["payment_method"] == "pm_1Ada"
        assert (asked.form["off_session"], asked.form["confirm"]) == ("true", "true")
        assert asked.form["capture_method"] == "automatic"
        assert asked.form["metadata[idempotency_key]"] == KEY
        assert (result.reference, result.idempotency_key, result.state) == ("pi_3Ada", KEY, PaymentState.SUCCEEDED)
        assert (result.amount, result.captured) == (Money("6.20", "EUR"), Money("6.20", "EUR"))

    @pytest.mark.parametrize(
        ("code", "decline_code", "expected_class", "expected_code"),
        [
            ("card_declined", "insufficient_funds", Decline.SOFT, "insufficient_funds"),
            ("card_declined", "generic_decline", Decline.SOFT, "generic_decline"),
            ("card_declined", "lost_card", Decline.HARD, "lost_card"),
            ("card_declined", "stolen_card", Decline.HARD, "stolen_card"),
            ("expired_card", None, Decline.HARD, "expired_card"),
            ("processing_error", None, Decline.PROVIDER, "processing_error"),
            ("card_declined", "try_again_later", Decline.PROVIDER, "try_again_later"),
        ],
    )
    def test_a_decline_is_an_answer_with_its_class(
        self,
        stripe_provider: StripeProvider,
        server: Server,
        code: str,
        decline_code: str | None,
        expected_class: Decline,
        expected_code: str,
    ) -> None:
        server.answers(decline(code, decline_code), declined_intent(code, decline_code))

        result = stripe_provider.charge(REQUEST)

        assert (result.state, result.reference) == (PaymentState.DECLINED, "pi_3Ada")
        assert (result.decline_class, result.decline_code) == (expected_class, expected_code)
        assert result.captured == Money(0, "EUR")

    def test_a_decline_without_a_payment_keeps_our_key(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers((402, {"error": {"type": "card_error", "code": "expired_card", "message": "Expired."}}))

        result = stripe_provider.charge(REQUEST)

        assert (result.reference, result.idempotency_key, result.decline_class) == ("", KEY, Decline.HARD)

    def test_a_bank_that_wants_the_cardholder_is_asked_for_its_page(
        self, stripe_provider: StripeProvider, server: Server
    ) -> None:
        server.answers(decline("authentication_required", "authentication_required"), waiting())

        result = stripe_provider.charge(REQUEST)

        confirming = server.asked[1]
        assert confirming.path == "/v1/payment_intents/pi_3Ada/confirm"
        assert confirming.form["return_url"] == REQUEST.return_url
        assert "off_session" not in confirming.form
        assert confirming.idempotency_key == f"{KEY}:on_session"
        assert (result.state, result.action_url) == (PaymentState.REQUIRES_ACTION, "https://hooks.stripe.com/3ds")

    def test_a_bank_that_declines_after_all_has_declined(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(
            decline("authentication_required"),
            decline("card_declined", "insufficient_funds"),
            declined_intent("card_declined", "insufficient_funds"),
        )

        assert stripe_provider.charge(REQUEST).decline_class is Decline.SOFT

    def test_a_waiting_payment_without_a_page_is_asked_about_again(
        self, stripe_provider: StripeProvider, server: Server
    ) -> None:
        server.answers(intent("requires_action"))

        with pytest.raises(ProviderUnavailable):
            stripe_provider.charge(REQUEST)

    def test_a_key_used_with_other_terms_is_told_apart(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers((400, {"error": {"type": "idempotency_error", "message": "Keys for idempotent requests ..."}}))

        with pytest.raises(IdempotencyMismatch):
            stripe_provider.charge(REQUEST)

    @pytest.mark.parametrize(
        "answer",
        [
            stripe.APIConnectionError("timed out"),
            (500, {"error": {"type": "api_error", "message": "Sorry."}}),
            (429, {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Slow down."}}),
            (401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided."}}),
            refusal("idempotency_key_in_use", status=409),
        ],
    )
    def test_no_answer_is_no_decline(
        self, stripe_provider: StripeProvider, server: Server, answer: Exception | tuple[int, dict[str, object]]
    ) -> None:
        server.answers(answer)

        with pytest.raises(ProviderUnavailable):
            stripe_provider.charge(REQUEST)

    def test_what_stripe_does_not_accept_is_refused_in_its_words(
        self, stripe_provider: StripeProvider, server: Server
    ) -> None:
        server.answers(refusal("amount_too_small", "Amount must be at least 0.50 eur"))

        with pytest.raises(RequestRefused, match=r"at least 0\.50 eur"):
            stripe_provider.charge(REQUEST)


class TestHold:
    def test_a_hold_tells_when_the_bank_lets_go(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(held())

        result = stripe_provider.hold(REQUEST)

        assert server.asked[0].form["capture_method"] == "manual"
        assert (result.state, result.captured) == (PaymentState.HELD, Money(0, "EUR"))
        assert result.expires_at == datetime.fromtimestamp(CAPTURE_BEFORE, UTC)

    def test_part_of_a_hold_is_taken(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(intent("succeeded", amount_received=412))

        result = stripe_provider.capture(
            CaptureRequest(idempotency_key="session:1:capture", reference="pi_3Ada", amount=Money("4.12", "EUR"))
        )

        asked = server.asked[0]
        assert (asked.path, asked.form["amount_to_capture"]) == ("/v1/payment_intents/pi_3Ada/capture", "412")
        assert asked.idempotency_key == "session:1:capture"
        assert (result.amount, result.captured) == (Money("6.20", "EUR"), Money("4.12", "EUR"))

    def test_more_than_was_held_is_refused(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(refusal("amount_too_large"))

        with pytest.raises(RequestRefused):
            stripe_provider.capture(
                CaptureRequest(idempotency_key="k", reference="pi_3Ada", amount=Money("7.00", "EUR"))
            )

    def test_a_hold_is_let_go(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(intent("canceled"))

        result = stripe_provider.release(idempotency_key="session:1:release", reference="pi_3Ada")

        assert server.asked[0].path == "/v1/payment_intents/pi_3Ada/cancel"
        assert result.state is PaymentState.CANCELLED

    def test_letting_go_too_late_tells_what_it_is_now(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(refusal("payment_intent_unexpected_state"), intent("succeeded"))

        assert stripe_provider.release(idempotency_key="k", reference="pi_3Ada").state is PaymentState.SUCCEEDED

    def test_an_expired_hold_is_read_as_cancelled(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(intent("canceled", cancellation_reason="automatic"))

        result = stripe_provider.fetch(idempotency_key=KEY, reference="pi_3Ada")

        assert result is not None
        assert result.state is PaymentState.CANCELLED


class TestFetch:
    def test_by_key_a_payment_is_searched_for(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers({"object": "search_result", "data": [intent()], "has_more": False, "url": "x"})

        result = stripe_provider.fetch(idempotency_key=KEY)

        assert server.asked[0].path == "/v1/payment_intents/search"
        assert server.asked[0].form["query"] == f"metadata['idempotency_key']:'{KEY}'"
        assert result is not None
        assert result.reference == "pi_3Ada"

    def test_one_that_never_arrived_is_none(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers({"object": "search_result", "data": [], "has_more": False, "url": "x"})

        assert stripe_provider.fetch(idempotency_key="o'clock\\") is None
        assert server.asked[0].form["query"] == "metadata['idempotency_key']:'o\\'clock\\\\'"

    def test_a_cardholder_who_said_no_has_declined(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(declined_intent("payment_intent_authentication_failure"))

        result = stripe_provider.fetch(idempotency_key=KEY, reference="pi_3Ada")

        assert result is not None
        assert (result.state, result.decline_class) == (PaymentState.DECLINED, Decline.SCA)


class TestRefund:
    REQUEST = RefundRequest(idempotency_key="refund:1", reference="pi_3Ada", amount=Money("2.00", "EUR"))

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("succeeded", PaymentState.SUCCEEDED),
            ("pending", PaymentState.PENDING),
            ("failed", PaymentState.DECLINED),
            ("canceled", PaymentState.CANCELLED),
        ],
    )
    def test_a_part_is_given_back(
        self, stripe_provider: StripeProvider, server: Server, status: str, state: PaymentState
    ) -> None:
        server.answers(refund(status))

        result = stripe_provider.refund(self.REQUEST)

        asked = server.asked[0]
        assert (asked.path, asked.idempotency_key) == ("/v1/refunds", "refund:1")
        assert (asked.form["payment_intent"], asked.form["amount"]) == ("pi_3Ada", "200")
        assert (result.reference, result.payment_reference, result.state) == ("re_3Ada", "pi_3Ada", state)
        assert result.amount == Money("2.00", "EUR")

    def test_a_refund_is_found_by_its_payment_and_key(self, stripe_provider: StripeProvider, server: Server) -> None:
        page = {"object": "list", "url": "/v1/refunds", "has_more": False}
        server.answers(
            page | {"data": [refund(id="re_2", metadata={}), refund("failed", failure_reason="lost_or_stolen_card")]},
            page | {"data": []},
            refund("pending"),
        )

        found = stripe_provider.fetch_refund(idempotency_key="refund:1", payment_reference="pi_3Ada")
        missing = stripe_provider.fetch_refund(idempotency_key="refund:2", payment_reference="pi_3Ada")
        known = stripe_provider.fetch_refund(reference="re_3Ada")

        assert [asked.path for asked in server.asked] == ["/v1/refunds", "/v1/refunds", "/v1/refunds/re_3Ada"]
        assert server.asked[0].form["payment_intent"] == "pi_3Ada"
        assert found is not None
        assert (found.reference, found.idempotency_key, found.failure_code) == (
            "re_3Ada",
            "refund:1",
            "lost_or_stolen_card",
        )
        assert missing is None
        assert known is not None
        assert known.state is PaymentState.PENDING

    def test_more_than_is_left_is_refused(self, stripe_provider: StripeProvider, server: Server) -> None:
        server.answers(refusal("charge_already_refunded", "Charge has already been refunded."))

        with pytest.raises(RequestRefused, match="already been refunded"):
            stripe_provider.refund(self.REQUEST)


@pytest.mark.parametrize(
    ("money", "counted"),
    [
        (Money("6.20", "EUR"), (620, "eur")),
        (Money("620", "JPY"), (620, "jpy")),
        (Money("6.250", "KWD"), (6250, "kwd")),
        (Money("1500", "HUF"), (150000, "huf")),
        (Money("890", "ISK"), (89000, "isk")),
    ],
)
def test_amounts_are_counted_as_stripe_counts_them(money: Money, counted: tuple[int, str]) -> None:
    assert to_stripe(money) == counted
    assert from_stripe(*counted) == money


def test_an_amount_stripe_cannot_count_is_no_amount() -> None:
    with pytest.raises(ValueError, match="decimals"):
        to_stripe(Money("6.205", "EUR"))
