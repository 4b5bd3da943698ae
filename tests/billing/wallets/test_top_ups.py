"""A driver tops up by card: whatever the bank says and however often it is said, one charge is one lot."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import time_machine
from django.db import connection, transaction

from accounts.models import Driver
from billing.errors import CurrencyMismatch, NoUsableCard, SelfTopUpNotOffered, TopUpOutOfRange, TopUpUnderWay
from billing.models import FakeProviderObject, LedgerEntry, Payment, PaymentMethod, WalletLot
from billing.providers.fake import bank, post
from billing.selectors.top_ups import unfinished_top_up
from billing.services.payment_sweep import sweep_payments
from billing.services.provider_events import process_event, receive_event
from billing.services.top_ups import cancel_top_up, claim_top_up, top_up
from common import clock
from common.errors import BadInput, IdempotencyConflict
from common.money import Money
from tests.billing.factories import eur
from tests.billing.payments.world import NOON, save_card
from tests.billing.wallets.world import balance, broken, cleared, taken_at_bank, top_up_of, wallet_driver
from tests.conftest import triggers_down
from tests.factories import ContractFactory, ContractTypeFactory, DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

AMOUNT = Decimal("25.00")
NOTHING = Decimal(0)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    return wallet_driver()


def events_of(payment: Payment) -> list[str]:
    rows = FakeProviderObject.objects.filter(kind="event", data__reference=payment.provider_reference)
    return list(rows.order_by("pk").values_list("reference", flat=True))


def deliver(reference: str) -> None:
    body, headers = post.write_out(reference)
    process_event(event_id=receive_event(provider="fake", body=body, headers=headers).pk)


class TestPaid:
    def test_it_is_one_cash_lot_that_can_go_back_to_its_card(self, ada: Driver) -> None:
        card = save_card(ada)

        payment = top_up_of(ada)

        assert (payment.status, payment.purpose, payment.method) == ("succeeded", "top_up", card)
        lot = WalletLot.objects.get()
        assert (lot.amount, lot.kind, lot.origin, lot.is_refundable, lot.expires_at) == (
            AMOUNT,
            "cash",
            "card_top_up",
            True,
            None,
        )
        assert lot.ledger_transaction == payment.ledger_transaction
        assert sorted(LedgerEntry.objects.values_list("account__code", "side", "amount")) == [
            ("psp_clearing", "debit", AMOUNT),
            ("wallet", "credit", AMOUNT),
        ]
        assert (taken_at_bank(), balance(ada), unfinished_top_up(ada.pk)) == (AMOUNT, AMOUNT, None)
        assert broken() == []

    def test_the_same_form_twice_charges_once(self, ada: Driver) -> None:
        save_card(ada)
        key = uuid4()
        first, second = top_up_of(ada, key=key), top_up_of(ada, key=key)
        assert first == second
        assert (taken_at_bank(), balance(ada), cleared()) == (AMOUNT, AMOUNT, AMOUNT)

    def test_the_same_form_with_another_amount_is_refused(self, ada: Driver) -> None:
        save_card(ada)
        key = uuid4()
        top_up_of(ada, key=key)
        with pytest.raises(IdempotencyConflict):
            top_up_of(ada, "30.00", key=key)
        assert (taken_at_bank(), balance(ada)) == (AMOUNT, AMOUNT)

    def test_the_chosen_card_is_charged(self, ada: Driver) -> None:
        save_card(ada, "insufficient_funds")
        other = save_card(ada, "mastercard")
        payment = top_up(driver_id=ada.pk, amount=eur("25.00"), key=uuid4(), method_id=other.pk)
        assert (payment.status, payment.method) == ("succeeded", other)

    def test_webhooks_in_any_number_credit_it_once(self, ada: Driver) -> None:
        save_card(ada)
        payment = top_up_of(ada)
        for reference in [*reversed(events_of(payment)), *events_of(payment)]:
            deliver(reference)
        assert (balance(ada), cleared(), WalletLot.objects.count()) == (AMOUNT, AMOUNT, 1)


class TestRefused:
    """Nothing is asked of the bank."""

    @pytest.mark.parametrize(
        ("amount", "error"),
        [
            (eur("4.99"), TopUpOutOfRange),
            (eur("500.01"), TopUpOutOfRange),
            (eur("-10"), BadInput),
            (eur("10.005"), BadInput),
            (Money(25, "SEK"), CurrencyMismatch),
        ],
    )
    def test_amounts(self, ada: Driver, amount: Money, error: type[Exception]) -> None:
        save_card(ada)
        with pytest.raises(error):
            top_up(driver_id=ada.pk, amount=amount, key=uuid4())
        assert not Payment.objects.exists()

    @pytest.mark.parametrize("amount", ["5.00", "500.00"])
    def test_the_limits_themselves_are_allowed(self, ada: Driver, amount: str) -> None:
        save_card(ada)
        assert top_up_of(ada, amount).status == "succeeded"
        assert balance(ada) == Decimal(amount)

    def test_a_contract_without_top_up(self) -> None:
        driver = DriverFactory()
        ContractFactory(driver=driver, contract_type=ContractTypeFactory(credit=True))
        save_card(driver)
        with pytest.raises(SelfTopUpNotOffered):
            top_up_of(driver)
        assert not Payment.objects.exists()

    def test_without_a_card_or_with_somebody_elses(self, ada: Driver) -> None:
        with pytest.raises(NoUsableCard):
            top_up_of(ada)
        save_card(ada)
        strange = save_card(wallet_driver())
        with pytest.raises(NoUsableCard):
            top_up(driver_id=ada.pk, amount=eur("25.00"), key=uuid4(), method_id=strange.pk)
        assert not Payment.objects.exists()

    def test_inside_a_transaction_no_bank_is_called(self, ada: Driver) -> None:
        save_card(ada)
        with pytest.raises(RuntimeError), transaction.atomic():
            top_up_of(ada)
        assert taken_at_bank() == NOTHING


class TestDeclined:
    @pytest.mark.parametrize(
        ("card", "told", "advice", "card_status"),
        [
            ("insufficient_funds", "not enough money on the card", "smaller amount or another card", "active"),
            ("processing_error", "technical problem", "smaller amount or another card", "active"),
            ("lost_card", "reported lost", "choose another card or add one", "refused"),
        ],
    )
    def test_it_says_why_and_what_to_do(self, ada: Driver, card: str, told: str, advice: str, card_status: str) -> None:
        save_card(ada, card)

        payment = top_up_of(ada)

        assert (payment.status, payment.next_attempt_at) == ("failed", None)
        standing = unfinished_top_up(ada.pk)
        assert standing is not None
        assert told in standing.words
        assert advice in standing.advice
        assert PaymentMethod.objects.get().status == card_status
        assert (taken_at_bank(), balance(ada), broken()) == (NOTHING, NOTHING, [])

    def test_nothing_tries_it_again_but_the_driver_may(self, ada: Driver) -> None:
        with time_machine.travel(NOON, tick=False) as clockwork:
            save_card(ada, "insufficient_funds")
            top_up_of(ada)
            clockwork.move_to(NOON + timedelta(days=2))
            assert sweep_payments(clock.now()) == 0
            assert unfinished_top_up(ada.pk) is None
            save_card(ada)
            card = ada.payment_methods.get(last4="4242")
            top_up(driver_id=ada.pk, amount=eur("25.00"), key=uuid4(), method_id=card.pk)
        assert balance(ada) == AMOUNT


class TestConfirmation:
    def test_it_waits_for_the_driver_and_is_credited_when_they_confirm(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")
        payment = top_up_of(ada)
        standing = unfinished_top_up(ada.pk)
        assert standing is not None
        assert (payment.status, bool(standing.action_url), balance(ada)) == ("requires_action", True, NOTHING)

        bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)
        for reference in events_of(payment):
            deliver(reference)

        assert (balance(ada), taken_at_bank(), unfinished_top_up(ada.pk)) == (AMOUNT, AMOUNT, None)

    def test_another_is_refused_until_it_is_cancelled(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")
        payment = top_up_of(ada)
        with pytest.raises(TopUpUnderWay):
            top_up_of(ada)

        assert cancel_top_up(driver_id=ada.pk, payment_id=payment.pk).status == "cancelled"

        assert top_up_of(ada).status == "requires_action"
        assert taken_at_bank() == NOTHING

    def test_a_confirmation_quicker_than_the_cancellation_stays_paid(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")
        payment = top_up_of(ada)
        bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)
        assert cancel_top_up(driver_id=ada.pk, payment_id=payment.pk).status == "succeeded"
        assert (balance(ada), taken_at_bank()) == (AMOUNT, AMOUNT)

    def test_a_stranger_cancels_nothing(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")
        payment = top_up_of(ada)
        with pytest.raises(Payment.DoesNotExist):
            cancel_top_up(driver_id=wallet_driver().pk, payment_id=payment.pk)

    def test_left_lying_for_a_day_it_is_called_off(self, ada: Driver) -> None:
        with time_machine.travel(NOON, tick=False) as clockwork:
            save_card(ada, "confirm_each")
            payment = top_up_of(ada)
            clockwork.move_to(NOON + timedelta(hours=23))
            sweep_payments(clock.now())
            payment.refresh_from_db()
            assert payment.status == "requires_action"
            clockwork.move_to(NOON + timedelta(hours=25))
            sweep_payments(clock.now())
        payment.refresh_from_db()
        assert (payment.status, payment.next_attempt_at, taken_at_bank()) == ("cancelled", None, NOTHING)


class TestUnanswered:
    def test_an_answer_lost_after_the_charge_is_found_by_the_sweep(self, ada: Driver) -> None:
        with time_machine.travel(NOON, tick=False) as clockwork:
            save_card(ada, "answer_lost")
            payment = top_up_of(ada)
            assert (payment.status, taken_at_bank(), balance(ada)) == ("unanswered", AMOUNT, NOTHING)
            clockwork.move_to(NOON + MINUTE)
            assert sweep_payments(clock.now()) == 1
            assert sweep_payments(clock.now()) == 0
        assert (taken_at_bank(), balance(ada), cleared()) == (AMOUNT, AMOUNT, AMOUNT)
        assert broken() == []

    def test_a_claim_whose_worker_died_is_sent_under_its_key(self, ada: Driver) -> None:
        with time_machine.travel(NOON, tick=False) as clockwork:
            save_card(ada)
            claim = claim_top_up(driver_id=ada.pk, amount=eur("25.00"), key=uuid4())
            assert (claim.status, taken_at_bank()) == ("created", NOTHING)
            clockwork.move_to(NOON + MINUTE)
            sweep_payments(clock.now())
        assert (taken_at_bank(), balance(ada)) == (AMOUNT, AMOUNT)
        assert FakeProviderObject.objects.get(kind="payment").idempotency_key == claim.idempotency_key


class TestBooks:
    """Each corruption is planted behind the application's back, and `verify_books` names it."""

    @pytest.fixture
    def payment(self, ada: Driver) -> Payment:
        save_card(ada)
        payment = top_up_of(ada)
        assert broken() == []
        return payment

    def plant(self, table: str, sql: str) -> None:
        with transaction.atomic(), connection.cursor() as cursor, triggers_down(cursor, [table]):
            cursor.execute(sql)

    def test_a_top_up_without_its_lot(self, payment: Payment) -> None:
        self.plant("billing_walletlot", "DELETE FROM billing_walletlot")
        assert "top_ups_are_credited" in broken()

    def test_a_lot_of_another_amount(self, payment: Payment) -> None:
        self.plant("billing_walletlot", "UPDATE billing_walletlot SET amount = amount + 5, remaining = remaining + 5")
        assert "top_ups_are_credited" in broken()

    def test_a_card_lot_nobody_paid(self, payment: Payment) -> None:
        self.plant("billing_payment", "DELETE FROM billing_payment")
        assert "card_lots_were_paid" in broken()

    def test_money_that_goes_back_and_can_still_be_spent(self, payment: Payment) -> None:
        self.plant("billing_payment", "UPDATE billing_payment SET refunded = 5")
        assert "top_ups_give_back_what_left" in broken()
