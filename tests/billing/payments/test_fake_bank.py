"""The fake provider keeps the promises of the protocol: what a real one would do, it does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from djmoney.money import Money

from accounts.models import Driver
from billing.models import FakeProviderObject, PaymentMethod
from billing.providers.base import (
    CaptureRequest,
    CustomerRequest,
    CustomerUpdate,
    Listing,
    PaymentProvider,
    PaymentRequest,
    PaymentState,
    RefundRequest,
)
from billing.providers.errors import (
    IdempotencyMismatch,
    ProviderUnavailable,
    RequestRefused,
    UnknownProvider,
)
from billing.providers.fake import bank
from billing.providers.fake.cards import TEST_CARDS
from billing.providers.registry import get_provider
from tests.billing.factories import eur
from tests.billing.payments.world import NOON, save_card

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider() -> PaymentProvider:
    return get_provider("fake")


def request_on(method: PaymentMethod, amount: str = "50.00", key: str = "session:1:hold") -> PaymentRequest:
    return PaymentRequest(
        idempotency_key=key,
        customer=method.provider_customer,
        method=method.provider_reference,
        amount=eur(amount),
        description="#1",
        return_url="http://testserver/back/",
    )


class TestIdempotency:
    def test_the_same_key_gets_the_same_answer_and_one_charge(self, ada: Driver, provider: PaymentProvider) -> None:
        request = request_on(save_card(ada))

        first, again = provider.charge(request), provider.charge(request)

        assert first == again
        assert FakeProviderObject.objects.filter(kind="payment").count() == 1

    def test_a_replay_is_told_the_first_answer_whatever_happened_since(
        self, ada: Driver, provider: PaymentProvider
    ) -> None:
        request = request_on(save_card(ada, "confirm_each"))
        first = provider.charge(request)
        bank.answer_bank(payment_reference=first.reference, is_confirmed=True)

        assert provider.charge(request) == first
        now = provider.fetch(idempotency_key=request.idempotency_key)
        assert now is not None
        assert (first.state, now.state) == (PaymentState.REQUIRES_ACTION, PaymentState.SUCCEEDED)

    def test_a_decline_is_replayed_too(self, ada: Driver, provider: PaymentProvider) -> None:
        method = save_card(ada, "insufficient_funds")
        first = provider.charge(request_on(method))
        bank.change_card(card_reference=method.provider_reference, test_card="visa")

        assert provider.charge(request_on(method)) == first
        assert first.decline_code == "insufficient_funds"

    @pytest.mark.parametrize("other", [{"amount": eur("50.01")}, {"amount": Money(50, "CHF")}, {"return_url": "x"}])
    def test_other_terms_under_the_key_are_refused(
        self, ada: Driver, provider: PaymentProvider, other: dict[str, Any]
    ) -> None:
        request = request_on(save_card(ada))
        provider.charge(request)

        with pytest.raises(IdempotencyMismatch):
            provider.charge(replace(request, **other))
        with pytest.raises(IdempotencyMismatch):
            provider.hold(request)
        assert FakeProviderObject.objects.filter(kind="payment").count() == 1

    def test_other_terms_of_a_capture_a_refund_and_a_customer_are_refused(
        self, ada: Driver, provider: PaymentProvider
    ) -> None:
        held = provider.hold(request_on(save_card(ada)))
        provider.capture(CaptureRequest("capture:1", held.reference, eur("20.00")))
        provider.refund(RefundRequest("refund:1", held.reference, eur("5.00")))
        customer = CustomerRequest("driver:9:customer", "9", "Ada", "ada@example.org")
        update = CustomerUpdate("driver:9:customer:2", provider.customer(customer), "Ada King", "ada@example.org")
        provider.update_customer(update)
        before = list(FakeProviderObject.objects.exclude(kind="event").order_by("pk").values_list("state", "data"))

        for refused in (
            lambda: provider.capture(CaptureRequest("capture:1", held.reference, eur("19.00"))),
            lambda: provider.refund(RefundRequest("refund:1", held.reference, eur("6.00"))),
            lambda: provider.customer(replace(customer, name="Eve")),
            lambda: provider.update_customer(replace(update, name="Eve")),
        ):
            with pytest.raises(IdempotencyMismatch):
                refused()

        after = list(FakeProviderObject.objects.exclude(kind="event").order_by("pk").values_list("state", "data"))
        assert after == before

    def test_one_customer_per_key(self, provider: PaymentProvider, transactional_db: None) -> None:
        request = CustomerRequest("driver:1:customer", "1", "Ada", "ada@example.org")

        assert provider.customer(request) == provider.customer(request)


class TestHolds:
    def test_part_of_a_hold_is_taken_and_the_rest_let_go(self, ada: Driver, provider: PaymentProvider) -> None:
        with time_machine.travel(NOON, tick=False):
            held = provider.hold(request_on(save_card(ada)))
            assert (held.state, held.amount, held.captured) == (PaymentState.HELD, eur("50.00"), eur("0"))
            assert held.expires_at == NOON + timedelta(days=7)

            taken = provider.capture(CaptureRequest("session:1:capture", held.reference, eur("12.34")))
            again = provider.capture(CaptureRequest("session:1:capture", held.reference, eur("12.34")))

        assert taken == again
        assert (taken.state, taken.amount, taken.captured) == (PaymentState.SUCCEEDED, eur("50.00"), eur("12.34"))
        with pytest.raises(RequestRefused):
            provider.capture(CaptureRequest("session:1:capture:again", held.reference, eur("1.00")))

    @pytest.mark.parametrize("amount", ["50.01", "0.00", "-1.00"])
    def test_more_than_the_hold_or_nothing_cannot_be_taken(
        self, ada: Driver, provider: PaymentProvider, amount: str
    ) -> None:
        held = provider.hold(request_on(save_card(ada)))

        with pytest.raises(RequestRefused):
            provider.capture(CaptureRequest("session:1:capture", held.reference, eur(amount)))

        now = provider.fetch(idempotency_key="session:1:hold")
        assert now is not None
        assert (now.state, now.captured) == (PaymentState.HELD, eur("0"))

    def test_a_released_hold_takes_nothing_more(self, ada: Driver, provider: PaymentProvider) -> None:
        held = provider.hold(request_on(save_card(ada)))

        released = provider.release(idempotency_key="session:1:release", reference=held.reference)

        assert released.state is PaymentState.CANCELLED
        assert provider.release(idempotency_key="session:1:release", reference=held.reference) == released
        with pytest.raises(RequestRefused):
            provider.capture(CaptureRequest("session:1:capture", held.reference, eur("1.00")))

    def test_releasing_comes_too_late_for_what_was_taken(self, ada: Driver, provider: PaymentProvider) -> None:
        charged = provider.charge(request_on(save_card(ada)))

        assert provider.release(idempotency_key="r", reference=charged.reference).state is PaymentState.SUCCEEDED

    def test_a_hold_expires_by_itself(self, ada: Driver, provider: PaymentProvider) -> None:
        with time_machine.travel(NOON, tick=False):
            held = provider.hold(request_on(save_card(ada)))
        with time_machine.travel(NOON + timedelta(days=7), tick=False):
            now = provider.fetch(idempotency_key="session:1:hold")
            with pytest.raises(RequestRefused):
                provider.capture(CaptureRequest("session:1:capture", held.reference, eur("1.00")))

        assert now is not None
        assert now.state is PaymentState.CANCELLED

    def test_a_hold_may_need_confirming(self, ada: Driver, provider: PaymentProvider) -> None:
        asked = provider.hold(request_on(save_card(ada, "confirm_each")))
        assert asked.state is PaymentState.REQUIRES_ACTION

        bank.answer_bank(payment_reference=asked.reference, is_confirmed=True)

        now = provider.fetch(idempotency_key="session:1:hold")
        assert now is not None
        assert now.state is PaymentState.HELD
        assert now.expires_at is not None


class TestRefunds:
    def test_no_more_is_given_back_than_was_taken(self, ada: Driver, provider: PaymentProvider) -> None:
        charged = provider.charge(request_on(save_card(ada)))

        first = provider.refund(RefundRequest("refund:1", charged.reference, eur("30.00")))
        assert provider.refund(RefundRequest("refund:1", charged.reference, eur("30.00"))) == first
        with pytest.raises(RequestRefused):
            provider.refund(RefundRequest("refund:2", charged.reference, eur("20.01")))
        last = provider.refund(RefundRequest("refund:3", charged.reference, eur("20.00")))

        assert (first.state, first.amount, first.payment_reference) == (
            PaymentState.SUCCEEDED,
            eur("30.00"),
            charged.reference,
        )
        assert last.amount == eur("20.00")
        with pytest.raises(RequestRefused):
            provider.refund(RefundRequest("refund:4", charged.reference, eur("0.01")))

    def test_of_a_hold_only_what_was_captured(self, ada: Driver, provider: PaymentProvider) -> None:
        held = provider.hold(request_on(save_card(ada)))
        with pytest.raises(RequestRefused):
            provider.refund(RefundRequest("refund:1", held.reference, eur("1.00")))
        provider.capture(CaptureRequest("capture", held.reference, eur("5.00")))

        with pytest.raises(RequestRefused):
            provider.refund(RefundRequest("refund:2", held.reference, eur("5.01")))
        assert provider.refund(RefundRequest("refund:3", held.reference, eur("5.00"))).amount == eur("5.00")


def test_an_answer_is_lost_after_the_effect_once(ada: Driver, provider: PaymentProvider) -> None:
    request = request_on(save_card(ada, "answer_lost"))

    with pytest.raises(ProviderUnavailable):
        provider.charge(request)

    assert provider.charge(request).state is PaymentState.SUCCEEDED
    assert FakeProviderObject.objects.filter(kind="payment").count() == 1


def test_what_never_arrived_is_not_known(provider: PaymentProvider, transactional_db: None) -> None:
    assert provider.fetch(idempotency_key="never") is None


def test_a_card_is_good_for_its_own_customer_only(ada: Driver, provider: PaymentProvider) -> None:
    request = request_on(save_card(ada))
    other = provider.customer(CustomerRequest("other", "other", "Cora", "cora@example.org"))

    answer = provider.charge(replace(request, customer=other))

    assert (answer.state, answer.decline_code) == (PaymentState.DECLINED, "card_unknown")


def test_a_deleted_card_takes_no_payments(ada: Driver, provider: PaymentProvider) -> None:
    method = save_card(ada)
    provider.forget_method(method.provider_reference)
    provider.forget_method(method.provider_reference)

    assert provider.charge(request_on(method)).state is PaymentState.DECLINED


def test_every_call_refuses_an_open_transaction(ada: Driver, provider: PaymentProvider) -> None:
    method = save_card(ada)
    calls = [
        lambda: provider.customer(CustomerRequest("c", "c", "", "")),
        lambda: provider.fetch_setup("x"),
        lambda: provider.forget_method(method.provider_reference),
        lambda: provider.charge(request_on(method)),
        lambda: provider.hold(request_on(method)),
        lambda: provider.capture(CaptureRequest("c", "x", eur("1"))),
        lambda: provider.release(idempotency_key="r", reference="x"),
        lambda: provider.refund(RefundRequest("r", "x", eur("1"))),
        lambda: provider.fetch(idempotency_key="x"),
        lambda: provider.update_customer(CustomerUpdate("u", "x", "", "")),
        lambda: provider.fetch_refund(reference="x"),
        lambda: provider.fetch_dispute("x"),
        lambda: provider.list_payments(Listing(NOON, NOON)),
        lambda: provider.list_refunds(Listing(NOON, NOON)),
        lambda: provider.list_disputes(Listing(NOON, NOON)),
    ]
    for call in calls:
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            call()
    assert FakeProviderObject.objects.filter(kind="payment").count() == 0


def test_no_card_number_is_remembered(ada: Driver) -> None:
    for card in TEST_CARDS:
        if card.name != "refused_at_once":
            save_card(ada, card.name)

    everything = str(list(FakeProviderObject.objects.values_list("data", "first_answer")))
    assert not any(card.number in everything for card in TEST_CARDS)


def test_an_unknown_provider_is_refused(db: None) -> None:
    with pytest.raises(UnknownProvider):
        get_provider("paypal")
