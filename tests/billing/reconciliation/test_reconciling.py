"""Every difference planted, found once however often one looks, and settled by what an operator may do about it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent, User
from billing.errors import ReasonMissing
from billing.models import (
    Discrepancy,
    Dispute,
    FakeProviderObject,
    LedgerTransaction,
    Payment,
    Reconciliation,
    Refund,
)
from billing.payment_tasks import SCHEDULES, reconcile_payments
from billing.providers.errors import ProviderUnavailable
from billing.providers.fake import bank, disputes
from billing.providers.fake import provider as fake
from billing.services import reconciliation
from billing.services.books import assert_books
from billing.services.card_holds import place_card_hold
from billing.services.discrepancies import (
    DiscrepancySettled,
    NotForThis,
    StillDiffers,
    adopt,
    explain,
    refund_orphan,
    release_orphan,
)
from billing.services.payments import collect_leg
from billing.services.reconciliation import reconcile
from billing.services.refunds import refund_session
from common import clock
from tests.billing.payments.held import preauth_stand, started
from tests.billing.payments.world import last_payment, owe, save_card, work_off_queue
from tests.billing.refunds.world import paid_session
from tests.billing.sessions.conftest import NOON
from tests.factories import DriverFactory, StaffFactory

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOON + timedelta(hours=3)
Kind, Status = Discrepancy.Kind, Discrepancy.Status


@pytest.fixture(autouse=True)
def now() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def fina(transactional_db: None) -> User:
    return StaffFactory()


def compare(now: time_machine.Traveller | None = None) -> Reconciliation:
    """Three hours after noon, everything of the two hours around it."""
    if now is not None:
        now.move_to(LATER)
    return reconcile(since=NOON - timedelta(hours=1), until=NOON + timedelta(hours=1))


def open_ones() -> list[tuple[str, str]]:
    rows = Discrepancy.objects.filter(status=Status.OPEN).order_by("pk")
    return list(rows.values_list("subject", "kind"))


def at_bank(payment: Payment) -> FakeProviderObject:
    return FakeProviderObject.objects.get(idempotency_key=payment.idempotency_key)


def change(thing: FakeProviderObject, state: str, **data: str) -> None:
    """Something happens at the provider and no webhook ever tells us."""
    thing.state, thing.data = state, {**thing.data, **data}
    thing.save()


def charged_elsewhere(amount: str = "9.00", *, is_hold: bool = False) -> FakeProviderObject:
    """Somebody else uses the same account at the provider."""
    method = save_card(DriverFactory())
    thing, _is_answered = bank.make_payment(
        key="somebody else's",
        customer=method.provider_customer,
        card=method.provider_reference,
        amount=Decimal(amount),
        currency="EUR",
        return_url="",
        is_hold=is_hold,
    )
    return thing


def a_days_work() -> None:
    """Charges, a decline, a refund, a hold captured, a dispute: all of it known on both sides."""
    session = paid_session()
    refund_session(session_id=session.pk, amount=Decimal(2), reason="x", idempotency_key="refund:1")
    paid_session("insufficient_funds")
    paid_session("disputed")
    stand = preauth_stand("visa")
    session = started(stand)
    work_off_queue()
    stand.stop(session.pk, 30, "13025")
    work_off_queue()


class TestAgreement:
    def test_a_days_work_agrees_and_is_looked_at_on_both_sides(self, now: time_machine.Traveller) -> None:
        a_days_work()
        run = compare(now)
        assert (run.found, open_ones()) == (0, [])
        # Four payments, one of them a hold's; one refund; one dispute.
        assert run.checked == 6
        assert run.finished_at == LATER
        assert_books()

    def test_nothing_is_written_by_looking_again(self, now: time_machine.Traveller) -> None:
        charged_elsewhere()
        compare(now)
        first = dict(Discrepancy.objects.values().get())
        now.shift(timedelta(hours=1))
        compare()
        again = dict(Discrepancy.objects.values().get())
        assert {name for name in first if first[name] != again[name]} == {"found_by_id", "seen_at"}

    def test_what_is_younger_than_an_hour_is_left_alone(self, now: time_machine.Traveller) -> None:
        charged_elsewhere()
        now.shift(timedelta(minutes=30))
        run = reconcile(since=NOON - timedelta(hours=1), until=NOON + timedelta(hours=1))
        assert (run.until, run.checked) == (NOON - timedelta(minutes=30), 0)
        with pytest.raises(ValueError, match="younger than an hour"):
            reconcile(since=NOON, until=NOON + timedelta(hours=1))

    def test_long_listings_come_page_by_page(
        self, now: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fake, "PAGE", 2)
        monkeypatch.setattr(reconciliation, "CHUNK", 2)
        a_days_work()
        charged_elsewhere()
        assert compare(now).checked == 7
        assert open_ones() == [("payment", "missing_here")]


class TestResuming:
    def test_a_run_that_was_stopped_goes_on_where_it_was(
        self, now: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconciliation, "SLICE", timedelta(hours=1))
        charged_elsewhere()
        now.move_to(LATER)
        asked = []
        honest = fake.FakeProvider.list_disputes

        def failing(self, listing):
            asked.append(listing.since)
            if listing.since == NOON:
                raise ProviderUnavailable
            return honest(self, listing)

        monkeypatch.setattr(fake.FakeProvider, "list_disputes", failing)
        with pytest.raises(ProviderUnavailable):
            compare()
        stopped = Reconciliation.objects.get()
        assert (stopped.done_until, stopped.finished_at) == (NOON, None)

        monkeypatch.setattr(fake.FakeProvider, "list_disputes", honest)
        assert compare().pk == stopped.pk
        assert asked == [NOON - timedelta(hours=1), NOON]
        assert open_ones() == [("payment", "missing_here")]

    def test_the_daily_run_takes_up_what_is_unfinished_and_then_the_last_days(
        self, now: time_machine.Traveller
    ) -> None:
        assert "billing.payment_tasks.reconcile_payments" in {function for _name, function, _minutes in SCHEDULES}
        charged_elsewhere()
        now.move_to(LATER)
        bank.set_outage(True)
        with pytest.raises(ProviderUnavailable):
            reconcile_payments()
        bank.set_outage(False)
        now.shift(timedelta(days=9))
        assert (reconcile_payments(), Reconciliation.objects.count()) == (1, 1)
        first = Reconciliation.objects.get()
        reconcile_payments()
        second = Reconciliation.objects.latest("pk")
        assert (second.since, second.until) == (first.until, clock.now() - timedelta(hours=1))


class TestDifferences:
    def test_a_charge_unknown_to_us_is_given_back_without_touching_our_books(
        self, now: time_machine.Traveller, fina: User
    ) -> None:
        theirs = charged_elsewhere()
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.subject, row.kind, row.reference) == ("payment", "missing_here", theirs.reference)
        assert (row.their_state, row.their_amount, row.our_amount) == ("succeeded", Decimal(9), None)
        for refused in (adopt, release_orphan):
            with pytest.raises(NotForThis):
                refused(discrepancy_id=row.pk, actor_id=fina.pk, reason="why")

        refund_orphan(discrepancy_id=row.pk, actor_id=fina.pk, reason="not ours")

        with pytest.raises(DiscrepancySettled):
            refund_orphan(discrepancy_id=row.pk, actor_id=fina.pk, reason="not ours")
        theirs.refresh_from_db()
        assert theirs.data["refunded"] == "9.00"
        row.refresh_from_db()
        assert (row.status, row.actor, row.reason) == ("refunded", fina, "not ours")
        assert AuditEvent.objects.get(action="discrepancy_refunded").actor == fina
        assert not LedgerTransaction.objects.exists()
        # Neither the charge nor its refund comes up again.
        now.shift(timedelta(hours=3))
        reconcile(since=NOON - timedelta(hours=1), until=LATER + timedelta(hours=2))
        assert open_ones() == []

    def test_a_charge_unknown_to_the_provider_can_only_be_explained(
        self, now: time_machine.Traveller, fina: User
    ) -> None:
        paid_session()
        work_off_queue()
        FakeProviderObject.objects.filter(kind="payment").delete()
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.kind, row.payment, row.our_amount) == ("missing_there", Payment.objects.get(), Decimal("10.20"))
        with pytest.raises(ReasonMissing):
            explain(discrepancy_id=row.pk, actor_id=fina.pk, reason=" ")
        explain(discrepancy_id=row.pk, actor_id=fina.pk, reason="The provider lost its data.")
        compare()
        assert open_ones() == []

    def test_another_amount_stays_until_it_is_explained_and_comes_back_when_it_changes(
        self, now: time_machine.Traveller, fina: User
    ) -> None:
        paid_session()
        work_off_queue()
        payment = Payment.objects.get()
        change(at_bank(payment), "succeeded", captured="9.00")
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.kind, row.our_amount, row.their_amount) == ("amount_differs", Decimal("10.20"), Decimal(9))
        with pytest.raises(StillDiffers):
            adopt(discrepancy_id=row.pk, actor_id=fina.pk, reason="why")
        explain(discrepancy_id=row.pk, actor_id=fina.pk, reason="Rounding of the provider.")
        compare()
        assert open_ones() == []
        change(at_bank(payment), "succeeded", captured="8.00")
        compare()
        assert open_ones() == [("payment", "amount_differs")]
        change(at_bank(payment), "succeeded", captured="10.20")
        compare()
        row.refresh_from_db()
        assert row.status == "agreed"

    def test_a_success_nobody_told_us_of_is_taken_over(self, now: time_machine.Traveller, fina: User) -> None:
        session = paid_session("insufficient_funds")
        work_off_queue()
        payment = Payment.objects.get()
        change(at_bank(payment), "succeeded", captured="10.20")
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.kind, row.our_state, row.their_state) == ("state_differs", "failed", "succeeded")

        adopt(discrepancy_id=row.pk, actor_id=fina.pk, reason="The bank says so.")

        payment.refresh_from_db()
        session.refresh_from_db()
        assert (payment.status, session.payment_status) == ("succeeded", "paid")
        row.refresh_from_db()
        assert (row.status, row.actor) == ("adopted", fina)
        assert compare().found == 0
        assert_books()

    def test_a_card_charged_twice_late_is_seen_and_the_second_charge_goes_back(
        self, now: time_machine.Traveller, fina: User
    ) -> None:
        session = paid_session("insufficient_funds")
        first = Payment.objects.get()
        bank.change_card(card_reference=first.method.provider_reference, test_card="visa")
        collect_leg(leg_id=session.cdr.legs.get().pk, is_early=True)
        work_off_queue()
        change(at_bank(first), "succeeded", captured="10.20")
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.kind, row.payment, row.our_state) == ("duplicate_charge", first, "failed")

        adopt(discrepancy_id=row.pk, actor_id=fina.pk, reason="Charged twice.")
        work_off_queue()

        refund = Refund.objects.get()
        assert (refund.payment, refund.amount, refund.status) == (first, Decimal("10.20"), "succeeded")
        assert compare().found == 0
        row.refresh_from_db()
        assert row.status == "adopted"
        assert_books()

    def test_a_card_charged_twice_that_was_given_back_by_itself_is_on_record(self, now: time_machine.Traveller) -> None:
        session = paid_session("insufficient_funds")
        first = Payment.objects.get()
        bank.change_card(card_reference=first.method.provider_reference, test_card="visa")
        collect_leg(leg_id=session.cdr.legs.get().pk, is_early=True)
        change(at_bank(first), "succeeded", captured="10.20")
        bank.post.announce("payment.succeeded", subject="payment", reference=at_bank(first).reference)
        work_off_queue()
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.kind, row.payment, row.status, row.actor) == ("duplicate_charge", first, "refunded", None)

    @pytest.mark.parametrize("is_ours", [True, False])
    def test_what_is_held_for_nothing_is_let_go(self, now: time_machine.Traveller, fina: User, is_ours: bool) -> None:
        if is_ours:
            session = started(preauth_stand("visa"))
            place_card_hold(hold_id=session.holds.get().pk)
            work_off_queue()
            thing = FakeProviderObject.objects.get(kind="payment")
            session.holds.update(status="released", resolved_at=NOON, reread_at=None)
        else:
            thing = charged_elsewhere(is_hold=True)
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.kind, row.reference, row.their_state) == ("orphan_hold", thing.reference, "held")
        with pytest.raises(NotForThis):
            refund_orphan(discrepancy_id=row.pk, actor_id=fina.pk, reason="why")

        release_orphan(discrepancy_id=row.pk, actor_id=fina.pk, reason="Nobody charges.")

        thing.refresh_from_db()
        row.refresh_from_db()
        assert (thing.state, row.status) == ("cancelled", "released")
        compare()
        assert open_ones() == []

    def test_a_hold_the_provider_let_go_is_taken_over(self, now: time_machine.Traveller, fina: User) -> None:
        session = started(preauth_stand("visa"))
        work_off_queue()
        change(FakeProviderObject.objects.get(kind="payment"), "cancelled")
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.subject, row.kind, row.hold) == ("hold", "state_differs", session.holds.get())
        adopt(discrepancy_id=row.pk, actor_id=fina.pk, reason="It expired.")
        assert session.holds.get().status == "expired"

    def test_refunds_are_compared_both_ways(self, now: time_machine.Traveller, fina: User) -> None:
        session = paid_session()
        refund_session(session_id=session.pk, amount=Decimal(2), reason="x", idempotency_key="refund:1")
        work_off_queue()
        made = FakeProviderObject.objects.get(kind="refund")
        change(made, "declined", failure_code="lost_or_stolen_card")
        payment = last_payment(session.cdr.legs.get())
        bank.refund(key="by hand", reference=payment.provider_reference, amount=Decimal(1))
        compare(now)
        found = {row.kind: row for row in Discrepancy.objects.all()}
        assert set(found) == {"state_differs", "missing_here"}
        assert found["missing_here"].their_amount == Decimal(1)
        with pytest.raises(NotForThis):
            adopt(discrepancy_id=found["missing_here"].pk, actor_id=fina.pk, reason="why")
        adopt(discrepancy_id=found["state_differs"].pk, actor_id=fina.pk, reason="It came back.")
        assert Refund.objects.get().status == "failed"

    def test_disputes_are_compared_both_ways(self, now: time_machine.Traveller, fina: User) -> None:
        paid_session()
        work_off_queue()
        made = disputes.withdraw_funds(
            disputes.open_dispute(payment_reference=Payment.objects.get().provider_reference).reference
        )
        compare(now)
        row = Discrepancy.objects.get()
        assert (row.subject, row.kind, row.reference) == ("dispute", "missing_here", made.reference)
        adopt(discrepancy_id=row.pk, actor_id=fina.pk, reason="The webhook was lost.")
        assert Dispute.objects.get().withdrawn == Decimal("10.20")
        assert compare().found == 0
        disputes.close_dispute(made.reference, is_won=False)
        compare()
        assert open_ones() == [("dispute", "state_differs")]
        assert_books()


class TestCommand:
    def run(self, *arguments: str) -> tuple[str, int]:
        out = StringIO()
        try:
            call_command("reconcile_payments", *arguments, stdout=out)
        except CommandError as error:
            return out.getvalue() + str(error), error.returncode
        return out.getvalue(), 0

    def test_it_says_what_differs(self, now: time_machine.Traveller) -> None:
        owe(DriverFactory())
        now.move_to(LATER)
        span = ("--from", "2026-09-01", "--to", (NOON + timedelta(hours=1)).isoformat())
        span = ("--from", (NOON - timedelta(hours=1)).isoformat(), *span[2:])
        text, code = self.run(*span)
        assert (code, "0 compared, 0 differ" in text) == (0, True)
        now.move_to(NOON)
        theirs = charged_elsewhere()
        now.move_to(LATER)
        text, code = self.run(*span)
        assert code == 1
        assert f"Unknown to us: Payment {theirs.reference}" in text

    def test_it_refuses_what_it_cannot_do(self, now: time_machine.Traveller) -> None:
        assert self.run("--from", "yesterday", "--to", "2026-01-01")[1] == 2
        assert self.run("--from", "2026-01-02", "--to", "2026-01-01")[1] == 2
        bank.set_outage(True)
        text, code = self.run("--from", "2026-01-01", "--to", "2026-01-02")
        assert (code, "run the same command again" in text) == (1, True)
