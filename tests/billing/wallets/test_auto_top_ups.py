"""A wallet is topped up by itself: when it runs low, as often as was agreed, and no more after two failures."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction

from accounts.models import AuditEvent, Driver
from accounts.services.standing import set_driver_status
from billing.domain.auto_top_ups import calendar_at
from billing.errors import AutoTopUpNotOffered, NoUsableCard, TopUpOutOfRange
from billing.models import AutoTopUp, ChargingSession, DriverMail, Payment
from billing.payment_tasks import sweep_auto_top_ups
from billing.selectors.auto_top_ups import auto_top_up_of
from billing.services.auto_top_ups import pause_auto_top_up, top_up_if_low
from billing.services.wallet_closing import close_wallet
from billing.services.wallets import adjust_wallet
from common.errors import BadInput
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.payments.world import NOON, queued, save_card, work_off_queue
from tests.billing.sessions.conftest import Stand, stand_with
from tests.billing.wallets.auto_top_ups import HOUR, NOTHING, ONCE, agree, money, plan_of, spend
from tests.billing.wallets.world import balance, broken, taken_at_bank, top_up_of, wallet_driver
from tests.conftest import triggers_down

pytestmark = pytest.mark.django_db(transaction=True)


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
