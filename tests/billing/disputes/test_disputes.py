"""Disputes from the bank's first word to the books: any order and number of news ends the same."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection, transaction
from pytest_django import Settings

from accounts.models import AuditEvent
from billing.errors import PaymentDisputed
from billing.models import (
    ChargingSession,
    Dispute,
    FakeProviderObject,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    ProviderEvent,
    Refund,
)
from billing.providers.base import DisputeResult, DisputeState
from billing.providers.fake import bank, disputes
from billing.selectors.findings import Finding
from billing.services.books import assert_books, verify
from billing.services.disputes import note_dispute, record_dispute
from billing.services.payments import collect_leg
from billing.services.refunds import refund_session
from tests.billing.factories import NOON, eur
from tests.billing.payments.test_webhooks import deliver, events
from tests.billing.payments.world import owed_by, save_card, work_off_queue
from tests.billing.refunds.world import billed_session, paid_session
from tests.billing.wallets.world import top_up_of, wallet_driver
from tests.factories import StaffFactory

NOTHING = Decimal(0)


def balance(code: str) -> Decimal:
    """On the debit side."""
    entries = LedgerEntry.objects.filter(account__code=code).values_list("side", "amount")
    return sum((amount if side == "debit" else -amount for side, amount in entries), NOTHING)


@dataclass(frozen=True)
class Standing:
    """How a dispute of 10.20 stands everywhere; `kept` is what the provider still has for us."""

    status: str
    events: Sequence[str]
    kept: Decimal
    disputed: Decimal
    fees: Decimal
    owed: Decimal
    bad_debt: Decimal


def standing(dispute: Dispute) -> Standing:
    assert_books()
    dispute.refresh_from_db()
    return Standing(
        status=dispute.status,
        events=tuple(
            LedgerTransaction.objects.filter(event__startswith="dispute_")
            .order_by("pk")
            .values_list("event", flat=True)
        ),
        kept=balance("psp_clearing"),
        disputed=balance("disputed"),
        fees=balance("psp_fees"),
        owed=owed_by(dispute.payment.driver_id),
        bad_debt=balance("bad_debt"),
    )


UNDECIDED = Standing(
    "needs_response", ("dispute_withdrawn",), Decimal("-15"), Decimal("10.20"), Decimal(15), NOTHING, NOTHING
)
WON = Standing(
    "won", ("dispute_withdrawn", "dispute_reinstated"), Decimal("-4.80"), NOTHING, Decimal(15), NOTHING, NOTHING
)
LOST = Standing(
    "lost", ("dispute_withdrawn", "dispute_lost"), Decimal("-15"), NOTHING, Decimal(15), Decimal("10.20"), NOTHING
)
BORNE = Standing(
    "lost", ("dispute_withdrawn", "dispute_lost"), Decimal("-15"), NOTHING, Decimal(15), NOTHING, Decimal("10.20")
)


def told(payment: Payment, state: DisputeState, *, withdrawn: str = "0", reinstated: str = "0") -> DisputeResult:
    return DisputeResult(
        reference="dispute_1",
        payment_reference=payment.provider_reference,
        state=state,
        amount=eur("10.20"),
        reason="fraudulent",
        opened_at=NOON,
        evidence_due_at=NOON + timedelta(days=7),
        withdrawn=eur(withdrawn),
        fee=eur("15" if Decimal(withdrawn) else "0"),
        reinstated=eur(reinstated),
        fee_returned=eur("0"),
    )


@pytest.mark.django_db(transaction=True)
class TestWebhooks:
    @pytest.fixture
    def payment(self, transactional_db: None) -> Payment:
        """10.20 for a session, taken from Ada's card."""
        session = paid_session()
        work_off_queue()
        return Payment.objects.get(funding_leg__cdr__charging_session=session)

    def opened(self, payment: Payment) -> FakeProviderObject:
        made = disputes.open_dispute(payment_reference=payment.provider_reference)
        return disputes.withdraw_funds(made.reference)

    def test_what_the_bank_withdraws_is_booked_until_it_decides(self, payment: Payment) -> None:
        self.opened(payment)
        work_off_queue()
        dispute = Dispute.objects.get()
        assert standing(dispute) == UNDECIDED
        assert (dispute.payment, dispute.amount, dispute.reason) == (payment, Decimal("10.20"), "fraudulent")
        assert dispute.evidence_due_at == dispute.opened_at + timedelta(days=7)
        # What was charged stays charged; the session is paid.
        assert ChargingSession.objects.get().payment_status == "paid"

    def test_one_that_is_won_comes_back_but_for_the_fee(self, payment: Payment) -> None:
        made = self.opened(payment)
        disputes.hand_in_evidence(made.reference)
        work_off_queue()
        assert Dispute.objects.get().status == "under_review"
        disputes.close_dispute(made.reference, is_won=True)
        disputes.reinstate_funds(made.reference)
        work_off_queue()
        assert standing(Dispute.objects.get()) == WON

    @pytest.mark.parametrize(("bearer", "expected"), [("receivable", LOST), ("loss", BORNE)])
    def test_one_that_is_lost_is_owed_again_or_borne(
        self, payment: Payment, settings: Settings, bearer: str, expected: Standing
    ) -> None:
        settings.DISPUTES_LOST = bearer
        made = self.opened(payment)
        disputes.close_dispute(made.reference, is_won=False)
        work_off_queue()
        dispute = Dispute.objects.get()
        assert standing(dispute) == expected
        assert dispute.lost_as == bearer
        assert dispute.closed_at is not None

    def test_an_inquiry_takes_nothing(self, payment: Payment) -> None:
        made = disputes.open_dispute(payment_reference=payment.provider_reference, is_inquiry=True)
        work_off_queue()
        dispute = Dispute.objects.get()
        assert (standing(dispute).status, standing(dispute).events) == ("inquiry", ())
        disputes.close_dispute(made.reference, is_won=True)
        work_off_queue()
        assert (standing(dispute).status, standing(dispute).events) == ("inquiry_closed", ())

    def test_nobody_answers_and_it_is_lost(self, payment: Payment) -> None:
        made = self.opened(payment)
        work_off_queue()
        with time_machine.travel(Dispute.objects.get().evidence_due_at + timedelta(hours=1), tick=False):
            disputes.find_dispute(made.reference)
            work_off_queue()
        assert Dispute.objects.get().status == "lost"

    def test_news_that_overtakes_the_payment_s_own(self, transactional_db: None) -> None:
        session = billed_session(card="answer_lost")
        collect_leg(leg_id=session.cdr.legs.get().pk)
        payment = Payment.objects.get()
        assert payment.status == "unanswered"
        at_bank = FakeProviderObject.objects.get(kind="payment")
        made = disputes.withdraw_funds(disputes.open_dispute(payment_reference=at_bank.reference).reference)

        deliver(events(made.reference)[-1])

        payment.refresh_from_db()
        assert payment.status == "succeeded"
        assert standing(Dispute.objects.get()) == UNDECIDED

    def test_one_of_a_payment_that_is_not_ours_is_noted(self, payment: Payment) -> None:
        method = payment.method
        theirs, _answered = bank.make_payment(
            key="theirs",
            customer=method.provider_customer,
            card=method.provider_reference,
            amount=Decimal(3),
            currency="EUR",
            return_url="",
            is_hold=False,
        )
        made = disputes.open_dispute(payment_reference=theirs.reference)
        assert deliver(events(made.reference)[0]).note == "not a payment of ours"
        assert not Dispute.objects.exists()

    def test_the_test_card_disputes_by_itself(self, transactional_db: None) -> None:
        paid_session("disputed")
        work_off_queue()
        assert standing(Dispute.objects.get()) == UNDECIDED
        assert not ProviderEvent.objects.filter(processed_at=None).exists()

    def test_a_disputed_top_up_is_owed_when_it_is_lost(self, transactional_db: None) -> None:
        ada = wallet_driver()
        save_card(ada)
        payment = top_up_of(ada)
        work_off_queue()
        made = disputes.withdraw_funds(disputes.open_dispute(payment_reference=payment.provider_reference).reference)
        disputes.close_dispute(made.reference, is_won=False)
        work_off_queue()
        assert owed_by(ada.pk) == payment.amount
        assert_books()

    def test_what_is_withdrawn_in_a_dispute_is_not_given_back_again(self, payment: Payment) -> None:
        session = payment.funding_leg.cdr.charging_session
        self.opened(payment)
        work_off_queue()
        with pytest.raises(PaymentDisputed):
            refund_session(session_id=session.pk, reason="too slow", idempotency_key="refund:1")
        assert not Refund.objects.exists()
        assert standing(Dispute.objects.get()) == UNDECIDED


@pytest.mark.django_db(transaction=True)
def test_every_order_of_the_bank_s_news_ends_the_same() -> None:
    """The answers of all stages of a dispute, read by workers that write them down in any order, some twice."""
    stages = {
        WON: [
            (DisputeState.NEEDS_RESPONSE, "0", "0"),
            (DisputeState.UNDER_REVIEW, "10.20", "0"),
            (DisputeState.WON, "10.20", "0"),
            (DisputeState.WON, "10.20", "10.20"),
        ],
        LOST: [
            (DisputeState.INQUIRY, "0", "0"),
            (DisputeState.NEEDS_RESPONSE, "0", "0"),
            (DisputeState.LOST, "0", "0"),
            (DisputeState.LOST, "10.20", "0"),
        ],
    }
    paid_session()
    payment = Payment.objects.get()
    for expected, answers in stages.items():
        for order in itertools.permutations(answers):
            with transaction.atomic():
                for state, withdrawn, reinstated in (*order, *order[:2]):
                    result = told(payment, state, withdrawn=withdrawn, reinstated=reinstated)
                    dispute = record_dispute(payment_id=payment.pk, result=result)
                assert (order, standing(dispute)) == (order, expected)
                transaction.set_rollback(True)
    assert not Dispute.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestMoney:
    def record(self, state: DisputeState, **moved: str) -> Dispute:
        payment = Payment.objects.get()
        return record_dispute(payment_id=payment.pk, result=told(payment, state, **moved))

    def test_what_comes_back_of_a_lost_one_goes_where_it_was_booked(self) -> None:
        paid_session()
        self.record(DisputeState.LOST, withdrawn="10.20")
        dispute = self.record(DisputeState.LOST, withdrawn="10.20", reinstated="10.20")
        assert (standing(dispute).owed, standing(dispute).disputed, standing(dispute).kept) == (0, 0, Decimal("-4.80"))

    def test_other_money_than_was_posted_is_left_to_a_person(self) -> None:
        paid_session()
        self.record(DisputeState.UNDER_REVIEW, withdrawn="10.20")
        dispute = self.record(DisputeState.LOST, withdrawn="12.00")
        assert (dispute.problem, dispute.status, dispute.loss) == ("other_money_withdrawn", "lost", None)
        warned = [finding for finding in verify().findings if finding.is_warning]
        assert [(finding.check, finding.row) for finding in warned] == [("disputes_are_finished", "dispute dispute_1")]
        # The provider says the same as before again: now it can be booked.
        assert standing(self.record(DisputeState.LOST, withdrawn="10.20")) == LOST

    def test_a_note_is_kept_with_who_wrote_it(self) -> None:
        paid_session()
        dispute = self.record(DisputeState.NEEDS_RESPONSE)
        otto = StaffFactory()
        for note in ("Evidence sent.", "Evidence sent.", "Called Ada."):
            note_dispute(dispute_id=dispute.pk, note=note, actor_id=otto.pk)
        dispute.refresh_from_db()
        assert dispute.note == "Called Ada."
        noted = AuditEvent.objects.filter(action="dispute_noted").order_by("pk")
        assert [(event.reason, event.actor) for event in noted] == [("Evidence sent.", otto), ("Called Ada.", otto)]

    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("UPDATE billing_dispute SET withdrawn = 9", {"disputes_are_posted", "disputed_is_undecided"}),
            ("UPDATE billing_dispute SET fee = 9", {"disputes_are_posted"}),
            (
                "UPDATE billing_dispute SET status = 'lost', closed_at = opened_at",
                {"disputes_are_posted"},
            ),
            (
                "UPDATE billing_dispute SET withdrawn = 0, fee = 0, withdrawal_id = NULL",
                {"dispute_postings_have_their_dispute", "disputed_is_undecided"},
            ),
        ],
    )
    def test_the_books_name_a_dispute_that_was_tampered_with(self, sql: str, expected: set[str]) -> None:
        paid_session()
        self.record(DisputeState.UNDER_REVIEW, withdrawn="10.20")
        assert_books()
        with connection.cursor() as cursor:
            cursor.execute(sql)
        errors: list[Finding] = verify().errors
        assert {finding.check for finding in errors} == expected
