"""What goes back to a card: sent once, whatever is lost on the way, and visible when it does not arrive."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from accounts.models import AuditEvent
from billing.errors import NotWrittenOff, ReasonMissing, RefundNotFailed
from billing.models import FakeProviderObject, LedgerTransaction, Payment, ProviderEvent, Refund
from billing.providers.base import PaymentState, RefundResult
from billing.providers.fake import bank
from billing.services.books import verify
from billing.services.card_refunds import pay_out_refund, record_refund_result, retry_refund, send_refund
from billing.services.payment_sweep import sweep_payments
from billing.services.payments import collect_leg
from billing.services.provider_events import process_event, receive_event
from billing.services.refunds import refund_session
from billing.services.write_offs import write_off_leg
from common import clock
from common.money import Money
from tests.billing.payments.test_crashes import kill_before
from tests.billing.payments.test_webhooks import events
from tests.billing.payments.world import charged_at_bank, last_payment, owed_by, work_off_queue
from tests.billing.refunds.world import after, billed_session, paid_session
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(minutes=5)


def refunded(card: str, amount: str = "2.00", key: str = "refund:1"):
    """A session paid by card of which a part is given back, not sent yet."""
    session = paid_session(card)
    sweep_payments(clock.now() + LATER)
    refund_session(session_id=session.pk, amount=Decimal(amount), reason="too slow", idempotency_key=key)
    return session, Refund.objects.get(session_refund__idempotency_key=key)


def findings() -> list[tuple[str, bool]]:
    return [(finding.check, finding.is_warning) for finding in verify().findings]


def test_one_whose_answer_is_lost_is_given_back_once():
    session, refund = refunded("answer_lost")
    assert send_refund(refund_id=refund.pk).status == "unanswered"
    assert (after(session).kept, after(session).owed) == (Decimal("8.20"), Decimal("-2.00"))
    assert findings() == []
    sweep_payments(clock.now() + LATER)
    now = after(session)
    assert (now.refunds, now.kept, now.owed) == ([("succeeded", Decimal("2.00"))], Decimal("8.20"), 0)
    assert findings() == []


def test_one_that_never_arrived_is_sent_by_the_sweep():
    session, refund = refunded("visa")
    bank.set_outage(True)
    assert send_refund(refund_id=refund.pk).status == "unanswered"
    bank.set_outage(False)
    assert after(session).kept == Decimal("10.20")
    sweep_payments(clock.now() + LATER)
    assert (after(session).refunds, after(session).kept) == ([("succeeded", Decimal("2.00"))], Decimal("8.20"))
    assert findings() == []


def test_one_that_takes_its_time():
    session, refund = refunded("refund_later")
    assert send_refund(refund_id=refund.pk).status == "pending"
    assert (after(session).owed, findings()) == (Decimal("-2.00"), [])
    with time_machine.travel(clock.now() + LATER, tick=False):
        sweep_payments(clock.now())
    assert (after(session).refunds, after(session).owed) == ([("succeeded", Decimal("2.00"))], 0)
    assert findings() == []


def test_one_that_comes_back_is_owed_again_and_tried_again():
    session, refund = refunded("refund_returned")
    assert send_refund(refund_id=refund.pk).status == "succeeded"
    assert after(session).owed == 0
    bank.finish_refund(refund_reference=Refund.objects.get().provider_reference, is_success=False)
    work_off_queue()
    refund.refresh_from_db()
    assert (refund.status, refund.failure_code) == ("failed", "expired_or_canceled_card")
    assert refund.next_attempt_at is not None
    now = after(session)
    assert (now.kept, now.owed) == (Decimal("10.20"), Decimal("-2.00"))
    # We keep money of Ada's: somebody should know, although it is tried again.
    assert findings() == [("legs_were_paid_once", True)]
    bank.change_card(card_reference=session.driver.payment_methods.get().provider_reference, test_card="visa")
    with time_machine.travel(refund.next_attempt_at + timedelta(seconds=1), tick=False):
        sweep_payments(clock.now())
        work_off_queue()
    now = after(session)
    assert now.refunds == [("failed", Decimal("2.00")), ("succeeded", Decimal("2.00"))]
    assert (now.kept, now.owed, findings()) == (Decimal("8.20"), 0, [])


def failed_refund():
    session, refund = refunded("refund_later")
    send_refund(refund_id=refund.pk)
    bank.finish_refund(refund_reference=Refund.objects.get().provider_reference, is_success=False)
    work_off_queue()
    refund.refresh_from_db()
    assert refund.status == "failed"
    return session, refund


def test_after_three_more_failures_an_operator_pays_it_out_another_way():
    session, refund = failed_refund()
    for days in (1, 3, 7):
        assert refund.next_attempt_at - refund.finished_at == timedelta(days=days)
        refund = retry_refund(refund_id=refund.pk)
        send_refund(refund_id=refund.pk)
        refund.refresh_from_db()
        bank.finish_refund(refund_reference=refund.provider_reference, is_success=False)
        work_off_queue()
        refund.refresh_from_db()
    assert (refund.attempt, refund.next_attempt_at) == (4, None)
    assert ("refunds_arrive", True) in findings()

    otto = StaffFactory()
    with pytest.raises(ReasonMissing):
        pay_out_refund(refund_id=refund.pk, actor_id=otto.pk, reason="")
    paid_out = pay_out_refund(refund_id=refund.pk, actor_id=otto.pk, reason="bank transfer of today")
    assert (paid_out.status, paid_out.amount, after(session).owed) == ("paid_out", Decimal("2.00"), 0)
    assert AuditEvent.objects.get(action="refund_paid_out").actor == otto
    assert after(session).kept == Decimal("10.20")
    assert findings() == []
    for again in (lambda: retry_refund(refund_id=refund.pk), lambda: retry_refund(refund_id=paid_out.pk)):
        with pytest.raises(RefundNotFailed):
            again()


def test_one_the_provider_refuses_fails_and_stays_visible():
    session, refund = refunded("visa")
    payment = FakeProviderObject.objects.get(kind="payment")
    payment.data = {**payment.data, "refunded": "10.20"}
    payment.save()
    work_off_queue()
    refund.refresh_from_db()
    assert (refund.status, refund.failure_code) == ("failed", "provider_request_refused")
    assert (after(session).owed, Payment.objects.get().refunded) == (Decimal("-2.00"), 0)
    assert findings() == [("legs_were_paid_once", True)]


def test_an_answer_about_other_money_is_parked_for_a_person():
    session, refund = refunded("visa")
    answer = RefundResult("r", "p", refund.idempotency_key, PaymentState.SUCCEEDED, Money(Decimal("3.00"), "EUR"))
    parked = record_refund_result(refund_id=refund.pk, result=answer)
    assert (parked.status, parked.reread_at, parked.failure_code) == ("created", None, "answer_about_other_money")
    assert after(session).owed == Decimal("-2.00")
    assert findings() == [("refunds_arrive", True)]


def deliver(event_reference: str) -> None:
    body, headers = bank.post.write_out(event_reference)
    event = receive_event(provider="fake", body=body, headers=headers)
    process_event(event_id=event.pk)


def test_a_refund_made_elsewhere_is_noted_and_changes_nothing():
    session = paid_session()
    bank.refund(key="by hand", reference=last_payment(session.cdr.legs.get()).provider_reference, amount=Decimal(1))
    (reference,) = events(FakeProviderObject.objects.get(kind="refund").reference)
    deliver(reference)
    assert ProviderEvent.objects.get(event_id=reference).note == "not a refund of ours"
    assert Refund.objects.count() == 0


def test_a_leg_the_bank_charges_twice_gets_the_second_charge_back_by_itself():
    session = paid_session("insufficient_funds")
    leg = session.cdr.legs.get()
    first = last_payment(leg)
    card = session.driver.payment_methods.get().provider_reference
    bank.change_card(card_reference=card, test_card="visa")
    collect_leg(leg_id=leg.pk, is_early=True)
    # The first, announced as declined, went through at the bank after all.
    late = FakeProviderObject.objects.get(idempotency_key=first.idempotency_key)
    late.state, late.data = "succeeded", {**late.data, "captured": "10.20"}
    late.save()
    bank.post.announce("payment.succeeded", subject="payment", reference=late.reference)
    work_off_queue()
    now = after(session)
    assert [payment.status for payment in leg.payments.order_by("attempt")] == ["succeeded", "succeeded"]
    assert (now.legs, now.refunds) == ([("card", "paid", Decimal(0))], [("succeeded", Decimal("10.20"))])
    assert (now.kept, now.owed, now.revenue) == (Decimal("10.20"), 0, Decimal("8.57"))
    assert Refund.objects.get().session_refund is None
    assert findings() == []


def test_a_late_success_of_what_was_refunded_meanwhile_goes_back():
    session = paid_session("insufficient_funds")
    leg = session.cdr.legs.get()
    refund_session(session_id=session.pk, amount=Decimal("4.20"), reason="x", idempotency_key="refund:1")
    late = FakeProviderObject.objects.get(idempotency_key=last_payment(leg).idempotency_key)
    late.state, late.data = "succeeded", {**late.data, "captured": "10.20"}
    late.save()
    bank.post.announce("payment.succeeded", subject="payment", reference=late.reference)
    work_off_queue()
    now = after(session)
    assert (now.legs, now.refunds) == ([("card", "paid", Decimal("4.20"))], [("succeeded", Decimal("4.20"))])
    assert (now.kept, now.owed, findings()) == (Decimal("6.00"), 0, [])


def test_sending_survives_a_kill_before_every_write():
    number = 1
    while True:
        session, refund = refunded("answer_lost", key=f"refund:{number}")
        was_killed = kill_before(number, lambda pk=refund.pk: send_refund(refund_id=pk))  # type: ignore[misc]
        sweep_payments(clock.now() + LATER)
        sweep_payments(clock.now() + LATER)
        now = after(session)
        assert (number, now.refunds, now.kept, now.owed) == (
            number,
            [("succeeded", Decimal("2.00"))],
            Decimal("8.20"),
            0,
        )
        if not was_killed:
            break
        number += 1
    assert number > 4
    assert findings() == []


class TestWriteOff:
    def uncollected(self):
        session = billed_session(card="insufficient_funds")
        leg = session.cdr.legs.get()
        collect_leg(leg_id=leg.pk)
        return session, leg

    def test_what_cannot_be_collected_is_given_up(self):
        session, leg = self.uncollected()
        otto = StaffFactory()
        with pytest.raises(ReasonMissing):
            write_off_leg(leg_id=leg.pk, actor_id=otto.pk, reason=" ")
        refund_session(session_id=session.pk, amount=Decimal("4.20"), reason="x", idempotency_key="refund:1")
        write_off_leg(leg_id=leg.pk, actor_id=otto.pk, reason="moved away")
        write_off_leg(leg_id=leg.pk, actor_id=otto.pk, reason="moved away")
        posted = LedgerTransaction.objects.get(event="debt_written_off")
        assert {(entry.account.code, entry.side, entry.amount) for entry in posted.entries.all()} == {
            ("bad_debt", "debit", Decimal("6.00")),
            ("receivable", "credit", Decimal("6.00")),
        }
        assert (owed_by(session.driver_id), last_payment(leg).next_attempt_at) == (0, None)
        assert collect_leg(leg_id=leg.pk, is_early=True) is None
        event = AuditEvent.objects.get(action="debt_written_off")
        assert (event.actor, event.reason, event.data["amount"]) == (otto, "moved away", "6.0000")
        assert findings() == []

    def test_a_refund_of_it_lowers_the_bad_debt(self):
        session, leg = self.uncollected()
        write_off_leg(leg_id=leg.pk, actor_id=StaffFactory().pk, reason="moved away")
        refund_session(session_id=session.pk, amount=Decimal("5.10"), reason="x", idempotency_key="refund:1")
        assert owed_by(session.driver_id) == 0
        assert findings() == []
        refund_session(session_id=session.pk, reason="x", idempotency_key="refund:2")
        assert (after(session).legs[0][1], owed_by(session.driver_id)) == ("refunded", 0)
        assert findings() == []

    def test_a_payment_that_comes_in_after_all_takes_it_back(self):
        session, leg = self.uncollected()
        write_off_leg(leg_id=leg.pk, actor_id=StaffFactory().pk, reason="moved away")
        late = FakeProviderObject.objects.get(idempotency_key=last_payment(leg).idempotency_key)
        late.state, late.data = "succeeded", {**late.data, "captured": "10.20"}
        late.save()
        bank.post.announce("payment.succeeded", subject="payment", reference=late.reference)
        work_off_queue()
        now = after(session)
        assert (now.legs, now.kept, now.owed) == ([("card", "paid", Decimal(0))], Decimal("10.20"), 0)
        assert LedgerTransaction.objects.filter(event="write_off_recovered").count() == 1
        assert charged_at_bank(str(session.public_id)) == Decimal("10.20")
        assert findings() == []

    def test_what_is_paid_is_not_written_off(self):
        leg = paid_session().cdr.legs.get()
        with pytest.raises(NotWrittenOff):
            write_off_leg(leg_id=leg.pk, actor_id=StaffFactory().pk, reason="x")
