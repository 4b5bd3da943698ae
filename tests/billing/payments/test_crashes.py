"""A worker killed before any of its writes: one charge, one posting, nothing left open.

Between two writes the database is the same, so these are all the places where being killed makes a difference. A plain
success is killed in a process of its own: tests.billing.test_crash.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import Driver
from billing.models import FakeProviderObject, FundingLeg
from billing.providers.fake import bank
from billing.services.payment_sweep import reread_payment, sweep_payments
from billing.services.payments import collect_leg
from common import clock
from tests.billing.payments.world import last_payment, owe, owed_by, save_card, standing, work_off_queue
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(minutes=5)


class Killed(BaseException):
    """The process is gone. No handler of ours may catch it."""


class KillBefore:
    """Kills before the n-th write, the provider's own among them: it runs where we do."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.left -= sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "WITH"))
        if self.left == 0:
            raise Killed(sql)
        return execute(sql, params, many, context)


def kill_before(number: int, work: Callable[[], Any]) -> bool:
    """False when the work was done before it came to that write."""
    try:
        with connection.execute_wrapper(KillBefore(number)):
            work()
    except Killed:
        return True
    return False


def indebted_driver(*cards: str) -> tuple[Driver, FundingLeg]:
    driver = DriverFactory()
    for card in cards:
        save_card(driver, card)
    return driver, owe(driver)


def confirm(leg: FundingLeg) -> None:
    payment = last_payment(leg)
    bank.answer_bank(payment_reference=payment.provider_reference, is_confirmed=True)
    reread_payment(payment_id=payment.pk)
    assert standing(leg).posted == leg.amount


@pytest.mark.parametrize(
    ("cards", "leg_state", "payments", "fewest_writes"),
    [
        (["answer_lost"], "paid", [("succeeded", "", "")], 6),
        (["insufficient_funds"], "retrying", [("failed", "soft", "insufficient_funds")], 8),
        (["stolen_card", "visa"], "paid", [("failed", "hard", "stolen_card"), ("succeeded", "", "")], 16),
        (["confirm_each"], "requires_action", [("requires_action", "", "")], 8),
    ],
)
def test_collecting_survives_a_kill_before_every_write(
    cards: list[str], leg_state: str, payments: list[tuple[str, str, str]], fewest_writes: int
) -> None:
    number = 1
    while True:
        _driver, leg = indebted_driver(*cards)
        leg_id = leg.pk
        was_killed = kill_before(number, lambda leg_id=leg_id: collect_leg(leg_id=leg_id))  # type: ignore[misc]

        sweep_payments(clock.now() + LATER)
        sweep_payments(clock.now() + LATER)
        if number % 5 == 0:
            work_off_queue()

        now = standing(leg)
        assert (number, now.leg, now.payments) == (number, leg_state, payments)
        paid = leg.amount if leg_state == "paid" else 0
        assert (number, now.charged, now.posted, now.owed) == (number, paid, paid, leg.amount - paid)
        attempts_at_bank = FakeProviderObject.objects.filter(
            kind="payment", idempotency_key__startswith=f"session:{leg.cdr.charging_session.public_id}:"
        )
        assert attempts_at_bank.count() == len(payments)
        if leg_state == "requires_action":
            confirm(leg)
        if not was_killed:
            break
        number += 1
    assert number > fewest_writes


def test_the_sweep_itself_survives_a_kill_before_every_write() -> None:
    number = 1
    while True:
        driver, leg = indebted_driver("answer_lost")
        collect_leg(leg_id=leg.pk)
        was_killed = kill_before(number, lambda: sweep_payments(clock.now() + LATER))

        sweep_payments(clock.now() + LATER)

        now = standing(leg)
        assert (now.leg, now.charged, now.posted, owed_by(driver.pk)) == ("paid", leg.amount, leg.amount, 0)
        if not was_killed:
            break
        number += 1
    assert number > 3
