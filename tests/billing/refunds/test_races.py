"""Refunds at once, and against a payment that comes in: nothing goes back twice. Beside it what no lock would do."""

import threading
from decimal import Decimal

import pytest

from billing.errors import NothingToRefund
from billing.models import FakeProviderObject, FundingLeg, Payment, Refund, SessionRefund
from billing.providers.fake import bank
from billing.selectors.refunds import price_left
from billing.services import ledger
from billing.services.books import verify
from billing.services.card_refunds import send_refund
from billing.services.payment_sweep import reread_payment
from billing.services.refunds import plan_parts, refund_postings, refund_session
from tests.billing.payments.test_races import WORKERS, at_once
from tests.billing.payments.world import last_payment, work_off_queue
from tests.billing.refunds.world import after, paid_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


def test_eight_operators_refund_the_whole_once() -> None:
    session = paid_session(wallet="4.00")

    def work(number: int) -> str:
        try:
            refund_session(session_id=session.pk, reason="race", idempotency_key=f"refund:{number}")
        except NothingToRefund as error:
            return error.code
        return "refunded"

    results = at_once(work)
    assert sorted(results) == ["nothing_to_refund"] * (WORKERS - 1) + ["refunded"]
    work_off_queue()
    now = after(session)
    assert (now.kept, now.owed, now.revenue, now.lots) == (0, 0, 0, [("cash", Decimal("4.00"))])
    assert verify().findings == []


def test_one_key_pressed_eight_times_is_one_refund() -> None:
    session = paid_session()
    made = at_once(
        lambda _number: (
            refund_session(session_id=session.pk, amount=Decimal("2.00"), reason="race", idempotency_key="refund:1").pk
        )
    )
    assert len(set(made)) == 1
    assert SessionRefund.objects.get().gross == Decimal("2.00")


def test_control_without_the_lock_each_refunds_what_it_read() -> None:
    """Reads what is left, then writes: what the refund would do without its lock on the session."""
    session = paid_session()
    have_read = threading.Barrier(WORKERS)

    def work(number: int) -> None:
        cdr = session.cdr
        (leg,) = FundingLeg.objects.filter(cdr=cdr)
        plan = plan_parts(cdr, [(leg, Decimal("2.00"))], price_left(cdr))
        have_read.wait(timeout=30)
        ledger.post(
            idempotency_key=f"refund:{number}",
            event="session_refunded",
            occurred_at=session.ended_at,
            currency="EUR",
            postings=refund_postings(plan, session.driver_id),
            reference=str(session.public_id),
        )
        leg.refunded += Decimal("2.00")
        leg.save(update_fields=["refunded"])

    at_once(work)
    # 16.00 of 10.20 went back, and the leg knows of 2.00.
    assert after(session).revenue < 0
    assert FundingLeg.objects.get(cdr=session.cdr).refunded == Decimal("2.00")


def test_a_refund_against_a_late_success_keeps_what_is_owed() -> None:
    for round_number in range(5):
        session = paid_session("insufficient_funds")
        leg = session.cdr.legs.get()
        payment = last_payment(leg)
        late = FakeProviderObject.objects.get(idempotency_key=payment.idempotency_key)
        late.state, late.data = "succeeded", {**late.data, "captured": "10.20"}
        late.save()
        Payment.objects.filter(pk=payment.pk).update(status="unanswered", finished_at=None, next_attempt_at=None)

        def work(number: int, session=session, payment=payment, round_number=round_number) -> None:
            if number % 2:
                reread_payment(payment_id=payment.pk)
            else:
                refund_session(
                    session_id=session.pk,
                    amount=Decimal("4.20"),
                    reason="race",
                    idempotency_key=f"refund:{round_number}",
                )

        at_once(work)
        work_off_queue()
        now = after(session)
        assert (now.legs, now.refunds) == ([("card", "paid", Decimal("4.20"))], [("succeeded", Decimal("4.20"))])
        assert (now.kept, now.owed) == (Decimal("6.00"), 0)
    assert verify().findings == []


def test_eight_workers_send_one_refund_once() -> None:
    session = paid_session()
    refund_session(session_id=session.pk, amount=Decimal("2.00"), reason="race", idempotency_key="refund:1")
    refund = Refund.objects.get()
    at_once(lambda _number: send_refund(refund_id=refund.pk))
    now = after(session)
    assert (now.refunds, now.kept, now.owed) == ([("succeeded", Decimal("2.00"))], Decimal("8.20"), 0)


def test_control_without_one_key_each_worker_gives_back() -> None:
    session = paid_session()
    reference = last_payment(session.cdr.legs.get()).provider_reference
    at_once(lambda number: bank.refund(key=f"worker:{number}", reference=reference, amount=Decimal("1.00")))
    assert after(session).kept == Decimal("2.20")
