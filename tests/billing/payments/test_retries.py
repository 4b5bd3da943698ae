"""The schedule of attempts: one hour, then day 1, 3, 5, 7 and 14, then it is given up."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from accounts.models import Driver
from billing.domain.retries import next_attempt, next_reread
from billing.providers.fake import bank
from billing.services.payment_sweep import sweep_payments
from billing.services.payments import collect_leg
from common import clock
from tests.billing.payments.world import NOON, last_payment, owe, save_card, standing

FIRST = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("declines", "after"), [(1, HOUR), (2, DAY), (3, 3 * DAY), (4, 5 * DAY), (5, 7 * DAY), (6, 14 * DAY)]
)
def test_dates_are_counted_from_the_first_decline(declines: int, after: timedelta) -> None:
    assert next_attempt(FIRST, declines, FIRST) == FIRST + after


def test_after_the_last_date_it_is_given_up() -> None:
    assert next_attempt(FIRST, 7, FIRST + 14 * DAY) is None


def test_late_attempts_keep_an_hour_between_them() -> None:
    late = FIRST + 30 * DAY
    assert next_attempt(FIRST, 2, late) == late + HOUR


@pytest.mark.parametrize(
    ("open_for", "after"),
    [
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(minutes=4), timedelta(minutes=4)),
        (5 * HOUR, HOUR),
    ],
)
def test_an_unanswered_payment_is_asked_about_less_and_less_often(open_for: timedelta, after: timedelta) -> None:
    assert next_reread(FIRST, FIRST + open_for) == FIRST + open_for + after


@pytest.mark.django_db(transaction=True)
class TestThroughTime:
    def test_every_date_is_kept_and_none_is_early(self, ada: Driver) -> None:
        save_card(ada, "insufficient_funds")
        leg = owe(ada)
        with time_machine.travel(NOON, tick=False):
            collect_leg(leg_id=leg.pk)
        for number, after in enumerate([HOUR, DAY, 3 * DAY, 5 * DAY, 7 * DAY, 14 * DAY], start=1):
            due_at = NOON + after
            assert last_payment(leg).next_attempt_at == due_at
            with time_machine.travel(due_at - timedelta(seconds=1), tick=False):
                sweep_payments(clock.now())
            assert len(standing(leg).payments) == number
            with time_machine.travel(due_at, tick=False):
                sweep_payments(clock.now())
                sweep_payments(clock.now())
            assert len(standing(leg).payments) == number + 1

        assert standing(leg).leg == "uncollectible"
        assert last_payment(leg).next_attempt_at is None
        with time_machine.travel(NOON + 90 * DAY, tick=False):
            sweep_payments(clock.now())
        assert len(standing(leg).payments) == 7

    def test_money_that_arrives_meanwhile_is_taken_at_the_next_date(self, ada: Driver) -> None:
        method = save_card(ada, "insufficient_funds")
        leg = owe(ada)
        with time_machine.travel(NOON, tick=False):
            collect_leg(leg_id=leg.pk)
        bank.change_card(card_reference=method.provider_reference, test_card="visa")

        with time_machine.travel(NOON + HOUR, tick=False):
            sweep_payments(clock.now())

        now = standing(leg)
        assert (now.leg, now.session) == ("paid", "paid")
        assert now.payments == [("failed", "soft", "insufficient_funds"), ("succeeded", "", "")]
        assert now.charged == leg.amount

    def test_a_card_leg_whose_task_was_lost_is_found(self, ada: Driver) -> None:
        save_card(ada)
        leg = owe(ada)
        sweep_payments(leg.cdr.created_at + timedelta(seconds=59))
        assert standing(leg).leg == "due"

        sweep_payments(leg.cdr.created_at + timedelta(seconds=60))

        assert standing(leg).leg == "paid"
