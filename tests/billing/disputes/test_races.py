"""News of one dispute read by eight workers at once, and its debt adjusted by eight operators. Beside it what no lock
would do."""

import threading
from decimal import Decimal

import pytest

from billing.domain.postings import credit, debit, receivable, system
from billing.errors import AdjustmentTooLarge
from billing.models import Dispute, LedgerTransaction, Payment
from billing.providers.base import DisputeState
from billing.selectors.receivables import owed_by
from billing.services import ledger
from billing.services.books import verify
from billing.services.disputes import record_dispute
from billing.services.receivables import adjust_receivable
from common import clock
from tests.billing.disputes.test_disputes import LOST, standing, told
from tests.billing.factories import eur
from tests.billing.payments.test_races import WORKERS, at_once
from tests.billing.refunds.world import paid_session
from tests.factories import StaffFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

STAGES = [
    (DisputeState.NEEDS_RESPONSE, "0"),
    (DisputeState.NEEDS_RESPONSE, "10.20"),
    (DisputeState.UNDER_REVIEW, "10.20"),
    (DisputeState.LOST, "10.20"),
]


def disputed(state: DisputeState, withdrawn: str = "0") -> Dispute:
    payment = Payment.objects.get()
    return record_dispute(payment_id=payment.pk, result=told(payment, state, withdrawn=withdrawn))


def test_eight_workers_with_news_of_all_stages_book_each_movement_once() -> None:
    paid_session()

    def work(number: int) -> None:
        state, withdrawn = STAGES[number % len(STAGES)]
        disputed(state, withdrawn)

    at_once(work)
    assert standing(Dispute.objects.get()) == LOST
    assert verify().findings == []


def test_control_without_the_lock_old_news_overwrites_the_decision() -> None:
    """Reads the dispute, then writes what it was told: what recording would do without its lock on the payment."""
    paid_session()
    dispute = disputed(DisputeState.NEEDS_RESPONSE)
    have_read, is_lost = threading.Barrier(WORKERS), threading.Event()

    def work(number: int) -> None:
        row = Dispute.objects.get(pk=dispute.pk)
        have_read.wait(timeout=30)
        if number == 0:
            row.status, row.closed_at = "lost", clock.now()
            row.save()
            is_lost.set()
        else:
            assert is_lost.wait(timeout=30)
            row.status = "under_review"
            row.save()

    at_once(work)
    dispute.refresh_from_db()
    assert dispute.status == "under_review"


def test_eight_operators_lower_what_is_owed_once() -> None:
    driver = paid_session().driver
    disputed(DisputeState.LOST, "10.20")
    otto = StaffFactory()

    def work(number: int) -> str:
        try:
            adjust_receivable(
                driver_id=driver.pk,
                amount=eur("10.20"),
                direction="lower",
                settled="bank_clearing",
                reason="race",
                idempotency_key=f"adjust:{number}",
                actor_id=otto.pk,
            )
        except AdjustmentTooLarge as error:
            return error.code
        return "lowered"

    assert sorted(at_once(work)) == ["adjustment_too_large"] * (WORKERS - 1) + ["lowered"]
    assert owed_by(driver.pk, "EUR").balance == 0
    assert verify().findings == []


def test_control_without_the_lock_each_lowers_what_it_read() -> None:
    driver = paid_session().driver
    disputed(DisputeState.LOST, "10.20")
    have_read = threading.Barrier(WORKERS)

    def work(number: int) -> None:
        left = owed_by(driver.pk, "EUR").beside
        have_read.wait(timeout=30)
        ledger.post(
            idempotency_key=f"adjust:{number}",
            event="receivable_adjusted",
            occurred_at=clock.now(),
            currency="EUR",
            postings=[debit(system("bank_clearing", "EUR"), left), credit(receivable(driver.pk, "EUR"), left)],
        )

    at_once(work)
    assert LedgerTransaction.objects.filter(event="receivable_adjusted").count() == WORKERS
    assert owed_by(driver.pk, "EUR").balance == Decimal("10.20") * (1 - WORKERS)
