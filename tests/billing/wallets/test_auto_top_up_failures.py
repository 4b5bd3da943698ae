"""Automatic top-ups that fail or get no answer: two failures switch it off, one need is one charge."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from accounts.models import Driver
from billing.models import Payment
from billing.payment_tasks import sweep_auto_top_ups
from billing.providers.fake import bank
from billing.services.auto_top_ups import top_up_if_low
from billing.services.methods import remove_method
from billing.services.payment_sweep import sweep_payments
from common import clock
from tests.billing.payments.test_crashes import kill_before
from tests.billing.payments.world import NOON, save_card, work_off_queue
from tests.billing.wallets.auto_top_ups import HOUR, NOTHING, ONCE, agree, money, plan_of
from tests.billing.wallets.test_top_ups import deliver, events_of
from tests.billing.wallets.world import balance, broken, taken_at_bank, wallet_driver

pytestmark = pytest.mark.django_db(transaction=True)


class TestFailures:
    def test_the_second_in_a_row_switches_it_off_and_says_so(self, ada: Driver, clockwork: Any) -> None:
        save_card(ada, "insufficient_funds")
        agree(ada)
        work_off_queue()
        assert (plan_of(ada).status, plan_of(ada).failures) == ("on", 1)
        assert plan_of(ada).next_attempt_at == NOON + HOUR
        clockwork.shift(59 * timedelta(minutes=1))
        assert sweep_auto_top_ups() == 0
        clockwork.shift(timedelta(minutes=1))
        assert sweep_auto_top_ups() == 1
        work_off_queue()

        plan = plan_of(ada)
        assert (plan.status, plan.stop_reason, plan.stopped_at) == ("stopped", "failed_twice", NOON + HOUR)
        clockwork.shift(timedelta(days=3))
        assert (sweep_auto_top_ups(), Payment.objects.count(), money()) == (0, 2, (NOTHING, NOTHING))
        first, second = mail.outbox
        assert first.subject == "Your top-up of 25.00 € was not made"
        assert (
            "your wallet was to be topped up automatically by 25.00 € from Visa •9995, and that failed. There was not "
            "enough money on the card. This may be different another time.\n\n"
            "Nothing was charged. There are 0.00 € in your wallet.\n\n"
            "It is tried again from 20 Nov 2026, 14:00 on. If that fails too, automatic top-up is switched off."
        ) in first.body
        assert second.subject == "Automatic top-up is switched off"
        assert (
            "your wallet was to be topped up automatically by 25.00 € from Visa •9995. That failed twice in a row, so "
            "automatic top-up is switched off. There was not enough money on the card." in second.body
        )
        assert "http://127.0.0.1:8000/wallet/automatic/" in second.body

    def test_money_in_between_begins_the_count_anew(self, ada: Driver, clockwork: Any) -> None:
        card = save_card(ada, "insufficient_funds")
        agree(ada, threshold="1")
        sweep_auto_top_ups()
        bank.change_card(card_reference=card.provider_reference, test_card="visa")
        clockwork.shift(HOUR)
        sweep_auto_top_ups()
        assert (plan_of(ada).failures, balance(ada)) == (0, ONCE)

    def test_agreeing_again_forgets_them(self, ada: Driver, clockwork: Any) -> None:
        card = save_card(ada, "insufficient_funds")
        agree(ada)
        sweep_auto_top_ups()
        clockwork.shift(HOUR)
        sweep_auto_top_ups()
        bank.change_card(card_reference=card.provider_reference, test_card="visa")
        agree(ada)
        assert (plan_of(ada).status, plan_of(ada).failures, plan_of(ada).stopped_at) == ("on", 0, None)
        work_off_queue()
        assert balance(ada) == ONCE

    def test_a_card_refused_for_good_gives_way_to_the_next_at_once(self, ada: Driver) -> None:
        save_card(ada, "stolen_card")
        save_card(ada, "mastercard")
        agree(ada)
        sweep_auto_top_ups()
        sweep_auto_top_ups()
        assert [payment.status for payment in Payment.objects.order_by("pk")] == ["failed", "succeeded"]
        assert (plan_of(ada).failures, balance(ada)) == (0, ONCE)
        work_off_queue()
        assert mail.outbox == []

    def test_without_any_card_it_is_switched_off(self, ada: Driver) -> None:
        card = save_card(ada)
        agree(ada)
        remove_method(driver_id=ada.pk, method_id=card.pk)
        work_off_queue()
        assert (plan_of(ada).status, plan_of(ada).stop_reason) == ("stopped", "no_card")
        assert "but there is no usable card" in mail.outbox[0].body

    def test_what_nobody_confirms_in_a_day_is_a_failure(self, ada: Driver, clockwork: Any) -> None:
        save_card(ada, "confirm_each")
        agree(ada)
        work_off_queue()
        assert "your bank wants you to confirm a payment of 25.00 € for your wallet." in mail.outbox[0].body
        clockwork.shift(timedelta(hours=25))
        sweep_payments(clock.now())
        work_off_queue()
        assert (Payment.objects.get().status, plan_of(ada).failures) == ("cancelled", 1)
        assert "It was not confirmed at the bank in time." in mail.outbox[1].body


class TestUnanswered:
    def test_an_answer_lost_after_the_charge_is_one_charge(self, ada: Driver, clockwork: Any) -> None:
        save_card(ada, "answer_lost")
        agree(ada)
        for _minute in range(5):
            work_off_queue()
            sweep_auto_top_ups()
            clockwork.shift(timedelta(minutes=1))
            sweep_payments(clock.now())
        assert (money(), balance(ada), Payment.objects.count()) == ((ONCE, ONCE), ONCE, 1)

    def test_webhooks_after_the_time_out_credit_it_once(self, ada: Driver, clockwork: Any) -> None:
        save_card(ada, "answer_lost")
        agree(ada)
        work_off_queue()  # the webhooks of the charge among it
        payment = Payment.objects.get()
        for reference in [*reversed(events_of(payment)), *events_of(payment)]:
            deliver(reference)
        clockwork.shift(timedelta(minutes=2))
        sweep_payments(clock.now())
        assert (sweep_auto_top_ups(), plan_of(ada).failures, Payment.objects.count()) == (0, 0, 1)
        assert (money(), balance(ada)) == ((ONCE, ONCE), ONCE)

    def test_killed_before_any_write_it_is_charged_once(self, clockwork: Any) -> None:
        number = 1
        while True:
            driver = wallet_driver(auto_topup=True)
            save_card(driver)
            agree(driver)
            before = taken_at_bank()
            was_killed = kill_before(number, lambda driver_id=driver.pk: top_up_if_low(driver_id=driver_id))  # type: ignore[misc]
            for _minute in range(3):
                clockwork.shift(timedelta(minutes=1))
                sweep_payments(clock.now())
                sweep_auto_top_ups()
            assert (number, balance(driver), taken_at_bank() - before) == (number, ONCE, ONCE)
            if not was_killed:
                break
            number += 1
        assert (number > 8, broken()) == (True, [])
