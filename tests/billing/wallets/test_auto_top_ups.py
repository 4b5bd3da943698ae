"""A wallet is topped up by itself: when it runs low, as often as was agreed, and no more after two failures."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection, transaction

from accounts.models import AuditEvent, Driver
from accounts.services.standing import set_driver_status
from billing.domain.auto_top_ups import calendar_at
from billing.errors import AutoTopUpNotOffered, NoUsableCard, TopUpOutOfRange
from billing.models import AutoTopUp, ChargingSession, DriverMail, Payment
from billing.payment_tasks import sweep_auto_top_ups
from billing.providers.fake import bank
from billing.selectors.auto_top_ups import auto_top_up_of
from billing.services.auto_top_ups import agree_to_auto_top_up, pause_auto_top_up, top_up_if_low
from billing.services.methods import remove_method
from billing.services.payment_sweep import sweep_payments
from billing.services.wallet_closing import close_wallet
from billing.services.wallets import adjust_wallet
from billing.tasks import settle_session
from common import clock
from common.errors import BadInput
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.payments.test_crashes import kill_before
from tests.billing.payments.world import NOON, queued, save_card, work_off_queue
from tests.billing.sessions.conftest import Stand, stand_with
from tests.billing.wallets.test_top_ups import deliver, events_of
from tests.billing.wallets.world import balance, broken, cleared, taken_at_bank, top_up_of, wallet_driver
from tests.conftest import triggers_down

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = Decimal(0)
ONCE = Decimal("25.00")
HOUR = timedelta(hours=1)


@pytest.fixture
def clockwork() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ada(transactional_db: None, clockwork: Any) -> Driver:
    """Noon; nothing in the wallet yet."""
    return wallet_driver(auto_topup=True)


def agree(driver: Driver, **terms: str) -> AutoTopUp:
    """Below 10.00, 25.00 are charged; at most 50.00 a day and 100.00 a month."""
    amounts = {"threshold": "10", "amount": "25", "max_per_day": "50", "max_per_month": "100", **terms}
    return agree_to_auto_top_up(
        driver_id=driver.pk,
        consent="I agree.",
        actor_id=driver.user_id,
        **{name: Decimal(amount) for name, amount in amounts.items()},
    )


def plan_of(driver: Driver) -> AutoTopUp:
    return AutoTopUp.objects.get(driver=driver)


def spend(driver: Driver) -> ChargingSession:
    """A session of 10.20 is settled by its task; what that queues is done."""
    session: ChargingSession = EndedSessionFactory(contract=driver.contracts.get())
    settle_session(session.pk)
    work_off_queue()
    return session


def money() -> tuple[Decimal, Decimal]:
    """What the bank took and what we say it took."""
    assert broken() == []
    return taken_at_bank(), cleared()


class TestNeed:
    def test_the_settlement_that_takes_the_balance_below_tops_it_up(self, ada: Driver) -> None:
        save_card(ada)
        fill_wallet(ada, "20.19")
        agree(ada)
        work_off_queue()
        assert money() == (NOTHING, NOTHING)

        spend(ada)

        assert balance(ada) == Decimal("34.99")
        payment = Payment.objects.get()
        assert (payment.is_automatic, payment.purpose, payment.status) == (True, "top_up", "succeeded")
        assert payment.idempotency_key == f"driver:{ada.public_id}:wallet:EUR:2:auto-top-up:1"
        assert payment.ledger_transaction.note == "Automatic top-up, Visa •4242"
        assert money() == (ONCE, ONCE)

    def test_at_the_threshold_itself_nothing_is_charged(self, ada: Driver) -> None:
        save_card(ada)
        fill_wallet(ada, "20.20")
        agree(ada)
        spend(ada)
        assert (balance(ada), money()) == (Decimal("10.00"), (NOTHING, NOTHING))

    def test_the_sweep_finds_it_when_the_task_was_lost(self, ada: Driver) -> None:
        save_card(ada)
        fill_wallet(ada, "9.99")
        agree(ada)
        assert sweep_auto_top_ups() == 1
        assert sweep_auto_top_ups() == 0
        assert (balance(ada), money()) == (Decimal("34.99"), (ONCE, ONCE))

    def test_agreeing_to_it_is_enough_where_the_wallet_is_low_already(self, ada: Driver) -> None:
        save_card(ada)
        agree(ada)
        assert "auto_top_up" in queued()
        work_off_queue()
        assert balance(ada) == ONCE

    def test_what_a_running_session_has_cost_counts_as_spent(self, ada: Driver) -> None:
        save_card(ada)
        fill_wallet(ada, "30.00")
        agree(ada)
        session = EndedSessionFactory(contract=ada.contracts.get(), status="active", stopped_at=None, ended_at=None)
        session.holds.create(
            idempotency_key="held", source="wallet", account=ada.ledger_accounts.get(code="wallet"),
            amount=20, expires_at=NOON + HOUR,
        )  # fmt: skip
        ada.ledger_accounts.filter(code="wallet").update(pending=20)
        for live_gross, is_needed in (("20.00", False), ("20.01", True)):
            ChargingSession.objects.filter(pk=session.pk).update(live_gross=live_gross)
            assert (sweep_auto_top_ups() > 0, Payment.objects.exists()) == (is_needed, is_needed)

    def test_a_top_up_under_way_is_waited_for(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")
        agree(ada)
        assert top_up_of(ada, "5.00").status == "requires_action"
        assert top_up_if_low(driver_id=ada.pk) is None
        assert Payment.objects.count() == 1


class TestNobodyIsChargedUnasked:
    def test_without_a_plan_or_with_one_that_is_switched_off(self, ada: Driver) -> None:
        save_card(ada)
        assert top_up_if_low(driver_id=ada.pk) is None
        agree(ada)
        pause_auto_top_up(driver_id=ada.pk, actor_id=None)
        pause_auto_top_up(driver_id=ada.pk, actor_id=None)
        assert (top_up_if_low(driver_id=ada.pk), sweep_auto_top_ups()) == (None, 0)
        actions = AuditEvent.objects.filter(action__startswith="auto_top_up").order_by("pk")
        assert list(actions.values_list("action", flat=True)) == ["auto_top_up_agreed", "auto_top_up_paused"]
        assert actions[0].data["consent"] == "I agree."

    def test_a_blocked_driver_or_one_whose_contract_has_changed(self, ada: Driver) -> None:
        save_card(ada)
        agree(ada)
        set_driver_status(driver_id=ada.pk, status="blocked")
        assert (top_up_if_low(driver_id=ada.pk), sweep_auto_top_ups()) == (None, 0)
        set_driver_status(driver_id=ada.pk, status="active")
        kind = ada.contracts.get().contract_type
        kind.auto_topup = False
        kind.save()
        assert (top_up_if_low(driver_id=ada.pk), sweep_auto_top_ups()) == (None, 0)
        assert not Payment.objects.exists()

    def test_a_closed_wallet_is_not_filled_again(self, ada: Driver) -> None:
        save_card(ada)
        fill_wallet(ada, "20.00")
        agree(ada)
        close_wallet(driver_id=ada.pk, currency="EUR", reason="moves away", idempotency_key="close")
        work_off_queue()
        assert sweep_auto_top_ups() == 0
        assert (plan_of(ada).stop_reason, balance(ada), taken_at_bank()) == ("wallet_closed", NOTHING, NOTHING)

    @pytest.mark.parametrize(
        ("terms", "error"),
        [
            ({"amount": "4.99"}, TopUpOutOfRange),
            ({"amount": "501", "max_per_day": "600", "max_per_month": "700"}, TopUpOutOfRange),
            ({"max_per_day": "24.99"}, BadInput),
            ({"max_per_month": "49.99"}, BadInput),
            ({"amount": "25.001"}, BadInput),
            ({"threshold": "-1"}, BadInput),
        ],
    )
    def test_terms_that_do_not_fit_change_nothing(
        self, ada: Driver, terms: dict[str, str], error: type[Exception]
    ) -> None:
        save_card(ada)
        with pytest.raises(error):
            agree(ada, **terms)
        assert not AutoTopUp.objects.exists()

    def test_without_a_card_or_on_another_contract(self, ada: Driver) -> None:
        with pytest.raises(NoUsableCard):
            agree(ada)
        other = wallet_driver()
        save_card(other)
        with pytest.raises(AutoTopUpNotOffered):
            agree(other)
        assert not AutoTopUp.objects.exists()


class TestLimits:
    def empty(self, driver: Driver) -> None:
        key = f"empty:{Payment.objects.count()}"
        adjust_wallet(driver_id=driver.pk, amount=eur("25.00"), reason="test", idempotency_key=key)

    def test_days_and_months_are_the_networks_own(self, ada: Driver, clockwork: Any) -> None:
        """Berlin: midnight is 23:00 UTC in November and the month ends there too."""
        save_card(ada)
        agree(ada, threshold="1", max_per_month="75")
        for moment, charged in (
            (NOON, 1),
            (NOON + HOUR, 2),
            (NOON + 2 * HOUR, 2),
            (datetime(2026, 11, 20, 22, 59, tzinfo=UTC), 2),
            (datetime(2026, 11, 20, 23, 0, tzinfo=UTC), 3),
            (datetime(2026, 11, 25, 12, 0, tzinfo=UTC), 3),
            (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), 3),
            (datetime(2026, 11, 30, 23, 0, tzinfo=UTC), 4),
        ):
            clockwork.move_to(moment)
            sweep_auto_top_ups()
            assert (moment, Payment.objects.count()) == (moment, charged)
            if balance(ada):
                self.empty(ada)
        assert money() == (4 * ONCE, 4 * ONCE)

    def test_the_page_says_when_the_next_one_is_possible(self, ada: Driver) -> None:
        save_card(ada)
        agree(ada, threshold="1", max_per_day="25")
        sweep_auto_top_ups()
        self.empty(ada)
        sweep_auto_top_ups()
        standing = auto_top_up_of(ada.pk, ada.contracts.get().contract_type)
        assert (standing.spent_today, standing.spent_this_month) == (ONCE, ONCE)
        assert standing.waits_until == datetime(2026, 11, 20, 23, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("at", "day", "next_day", "month", "next_month"),
        [
            # The night of 29 March has 23 hours, that of 25 October 25.
            ("2026-03-29T10:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z", "2026-02-28T23:00Z", "2026-03-31T22:00Z"),
            ("2026-10-25T10:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z", "2026-09-30T22:00Z", "2026-10-31T23:00Z"),
            ("2026-12-31T23:30Z", "2026-12-31T23:00Z", "2027-01-01T23:00Z", "2026-12-31T23:00Z", "2027-01-31T23:00Z"),
        ],
    )
    def test_local_days_and_months(self, at: str, day: str, next_day: str, month: str, next_month: str) -> None:
        calendar = calendar_at(datetime.fromisoformat(at), "Europe/Berlin")
        expected = [datetime.fromisoformat(moment) for moment in (day, next_day, month, next_month)]
        assert [calendar.day, calendar.next_day, calendar.month, calendar.next_month] == expected


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


class TestDuringASession:
    """10.00 in the wallet, all of it reserved; 0.476 €/kWh with VAT."""

    def stand(self, card: str) -> Stand:
        stand = stand_with(wallet=True, auto_topup=True)
        save_card(stand.contract.driver, card)
        fill_wallet(stand.contract.driver, "10.00")
        agree(stand.contract.driver, threshold="0")
        work_off_queue()
        return stand

    @pytest.fixture(autouse=True)
    def noon_of_the_stand(self, clockwork: Any) -> None:
        clockwork.move_to(datetime(2026, 11, 20, 12, tzinfo=UTC))

    def test_at_four_fifths_it_is_topped_up_and_the_session_goes_on(self, transactional_db: None) -> None:
        stand = self.stand("visa")
        session_id = stand.start().session_id
        assert stand.session(session_id).spend_limit == Decimal("10.00")

        assert not stand.meter(session_id, 90, "16700").warn  # 7.95
        assert queued() == []
        assert stand.meter(session_id, 92, "16800").reason == "limit_near"
        work_off_queue()

        assert money_in_wallet(stand) == Decimal("35.00")
        session = stand.session(session_id)
        assert (session.spend_limit, session.stop_requested_at) == (Decimal("20.00"), None)
        answer = stand.meter(session_id, 130, "22000")  # 10.47
        assert (answer.stop, answer.warn) == (False, False)
        assert sweep_auto_top_ups() == 0

        stand.stop(session_id, 140, "23000")
        work_off_queue()
        assert money_in_wallet(stand) == Decimal("24.05")
        assert broken() == []

    def test_declined_it_stops_inside_the_balance(self, transactional_db: None) -> None:
        stand = self.stand("insufficient_funds")
        session_id = stand.start().session_id
        stand.meter(session_id, 92, "16900")
        work_off_queue()
        answer = stand.meter(session_id, 112, "20900")
        assert (answer.stop, answer.reason) == (True, "limit_reached")
        assert Payment.objects.count() == 1

    def test_a_session_with_more_in_the_wallet_needs_no_charge(self, transactional_db: None) -> None:
        stand = self.stand("visa")
        fill_wallet(stand.contract.driver, "90.00")
        session_id = stand.start().session_id
        assert stand.session(session_id).spend_limit == Decimal("25.00")
        assert stand.meter(session_id, 240, "43000").warn  # 20.47 of 25.00
        work_off_queue()
        assert not Payment.objects.exists()


def money_in_wallet(stand: Stand) -> Decimal:
    return balance(stand.contract.driver)


class TestLowBalance:
    """Without automatic top-up a prepaid driver is told once that the wallet has fallen below 5.00."""

    def spend_down(self, driver: Driver, *amounts: str) -> None:
        for amount in amounts:
            fill_wallet(driver, amount)
        spend(driver)

    def test_once_per_crossing(self, ada: Driver) -> None:
        self.spend_down(ada, "15.00")
        assert [message.subject for message in mail.outbox] == ["Only 4.80 € are left in your wallet"]
        assert "your wallet has fallen below 5.00 €: 4.80 € are left." in mail.outbox[0].body
        self.spend_down(ada)  # a debt; still below
        assert len(mail.outbox) == 1
        self.spend_down(ada, "14.00", "1.00")
        assert [message.subject for message in mail.outbox][1:] == ["Only 4.80 € are left in your wallet"]

    def test_not_above_nor_to_who_never_had_more(self, ada: Driver) -> None:
        self.spend_down(ada, "15.20")
        other = wallet_driver()
        fill_wallet(other, "4.00")
        spend(other)
        assert DriverMail.objects.count() == 0

    def test_not_where_it_is_topped_up_anyway(self, ada: Driver) -> None:
        save_card(ada)
        agree(ada, threshold="5")
        work_off_queue()
        fill_wallet(ada, "15.00")
        spend(ada)
        assert DriverMail.objects.count() == 0


def test_the_books_name_a_charge_nobody_agreed_to(ada: Driver) -> None:
    save_card(ada)
    agree(ada)
    work_off_queue()
    assert broken() == []
    with transaction.atomic(), connection.cursor() as cursor, triggers_down(cursor, ["billing_autotopup"]):
        cursor.execute("UPDATE billing_autotopup SET created_at = %s", ["2026-11-21 00:00:00+00:00"])
    assert "automatic_top_ups_were_agreed" in broken()
