"""Several workers on one leg: one charge. Beside each, what happens without the lock."""

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from djmoney.money import Money

from accounts.models import Driver
from billing.models import FundingLeg, Payment, PaymentMethod
from billing.providers.base import CardDetails, PaymentRequest
from billing.providers.registry import get_provider
from billing.services.methods import add_method
from billing.services.payment_sweep import reread_payment
from billing.services.payments import collect_leg
from tests.billing.payments.world import GOOD_UNTIL, last_payment, owe, paid_postings, save_card, standing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

WORKERS = 8
T = TypeVar("T")


def at_once(work: Callable[[int], T]) -> list[T]:
    """Run `work(0 .. 7)` in threads that start together; their results, or the first error."""
    together = threading.Barrier(WORKERS)
    results: list[T] = []
    errors: list[Exception] = []

    def run(number: int) -> None:
        try:
            together.wait(timeout=30)
            results.append(work(number))
        except Exception as error:  # noqa: BLE001 - handed on to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if errors:
        raise errors[0]
    return results


def test_eight_workers_make_one_charge(ada: Driver) -> None:
    save_card(ada)
    leg = owe(ada)

    results = at_once(lambda _number: collect_leg(leg_id=leg.pk))

    assert len([payment for payment in results if payment is not None]) == 1
    now = standing(leg)
    assert (now.leg, now.payments) == ("paid", [("succeeded", "", "")])
    assert (now.charged, now.posted, now.owed) == (leg.amount, leg.amount, 0)


def test_control_without_the_lock_every_worker_charges(ada: Driver) -> None:
    """Reads the state, then decides: what `claim_leg` would do without its lock and its one key per attempt."""
    method = save_card(ada)
    leg = owe(ada)
    have_read = threading.Barrier(WORKERS)

    def collect_without_lock(number: int) -> None:
        if FundingLeg.objects.get(pk=leg.pk).state != FundingLeg.State.DUE:
            return
        have_read.wait(timeout=30)
        get_provider().charge(
            PaymentRequest(
                idempotency_key=f"session:{leg.cdr.charging_session.public_id}:worker:{number}",
                customer=method.provider_customer,
                method=method.provider_reference,
                amount=Money(leg.amount, "EUR"),
                description="",
                return_url=settings.SITE_URL,
            )
        )

    at_once(collect_without_lock)

    assert standing(leg).charged == WORKERS * leg.amount


def test_eight_answers_to_one_payment_make_one_posting(ada: Driver) -> None:
    save_card(ada, "answer_lost")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    payment_id = last_payment(leg).pk

    at_once(lambda _number: reread_payment(payment_id=payment_id))

    assert standing(leg).payments == [("succeeded", "", "")]
    assert paid_postings() == 1


def test_eight_first_cards_make_one_default(ada: Driver) -> None:
    def add(number: int) -> PaymentMethod:
        card = CardDetails(f"card_{number}", "visa", "4242", GOOD_UNTIL)
        return add_method(driver_id=ada.pk, provider="fake", customer="customer", card=card)

    at_once(add)

    assert PaymentMethod.objects.filter(driver=ada).count() == WORKERS
    assert PaymentMethod.objects.filter(driver=ada, is_default=True).count() == 1


def test_control_without_the_lock_the_database_refuses_a_second_default(ada: Driver) -> None:
    have_read = threading.Barrier(WORKERS)

    def add_without_lock(number: int) -> None:
        is_first = not PaymentMethod.objects.filter(driver=ada).exists()
        have_read.wait(timeout=30)
        PaymentMethod.objects.create(
            driver=ada, provider="fake", provider_reference=f"card_{number}", is_default=is_first
        )

    with pytest.raises(IntegrityError, match="payment_method_one_default_per_driver"):
        at_once(add_without_lock)


def test_the_database_allows_one_open_payment_per_leg(ada: Driver) -> None:
    save_card(ada, "confirm_each")
    leg = owe(ada)
    first = collect_leg(leg_id=leg.pk)
    assert first is not None

    with pytest.raises(IntegrityError, match="payment_one_open_per_leg"), transaction.atomic():
        Payment.objects.create(
            idempotency_key="another",
            driver=ada,
            purpose=Payment.Purpose.SESSION,
            funding_leg=leg,
            provider="fake",
            amount=leg.amount,
            currency="EUR",
            attempt=2,
        )
