"""Many threads want the same money. Each race stands beside a control without the lock, which loses it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django_q.models import OrmQ

from billing.domain.postings import credit, debit, system, wallet
from billing.errors import InsufficientFunds
from billing.models import Cdr, ChargingSession, FundingLeg, Hold, LedgerAccount, LedgerTransaction, WalletLot
from billing.selectors.book_checks import CHECKS
from billing.selectors.wallets import wallet_of
from billing.services.holds import place_hold
from billing.services.ledger import post
from billing.services.settlement import settle_session
from billing.services.wallets import adjust_wallet, credit_wallet
from common import clock
from common.errors import VoltledgerError
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.factories import DriverFactory

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

THREADS = 32


def race(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run `work(0)` ... at once, each on its own connection; what each returned, or the error it raised."""
    outcomes: list[Any] = [None] * threads
    start = threading.Barrier(threads)

    def run(index: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(timeout=60)
            outcomes[index] = work(index)
        except (VoltledgerError, IntegrityError) as error:
            outcomes[index] = error
        finally:
            connection.close()

    workers = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert not any(worker.is_alive() for worker in workers)
    return outcomes


def assert_books_hold():
    for _, _, run in CHECKS:
        assert list(run(clock.now())) == []


class TestThirtyTwoSpendOneWallet:
    """10.00 in the wallet, 32 threads that each want 1.00."""

    def test_ten_get_it_and_the_wallet_is_empty_not_below(self):
        ada = DriverFactory()
        fill_wallet(ada, "10.00")

        def spend(index):
            return adjust_wallet(driver_id=ada.pk, amount=eur("1.00"), reason="race", idempotency_key=f"spend:{index}")

        outcomes = race(spend)
        assert sum(isinstance(outcome, LedgerTransaction) for outcome in outcomes) == 10
        assert sum(isinstance(outcome, InsufficientFunds) for outcome in outcomes) == 22
        assert wallet_of(ada.pk).balance == eur("0.00")
        assert WalletLot.objects.get().remaining == 0
        assert_books_hold()

    def test_control_without_the_lock_more_is_spent_than_was_there(self):
        ada = DriverFactory()
        fill_wallet(ada, "10.00")
        account = LedgerAccount.objects.get(code="wallet")
        everybody_has_read = threading.Barrier(THREADS)

        def spend(index):
            with transaction.atomic():
                balance = LedgerAccount.objects.get(pk=account.pk).posted
                everybody_has_read.wait(timeout=60)
                if balance < 1:
                    raise InsufficientFunds
                LedgerAccount.objects.filter(pk=account.pk).update(posted=balance - 1)
                return Decimal(1)

        outcomes = race(spend)
        spent = sum(outcome for outcome in outcomes if isinstance(outcome, Decimal))
        account.refresh_from_db()
        assert (spent, account.posted) == (Decimal(32), Decimal("9.00"))

    def test_thirty_two_sessions_are_settled_from_one_wallet(self):
        """Each costs 10.20, the wallet holds 50.00: together they draw it to the cent, and the cards pay the rest."""
        first = EndedSessionFactory(contract_type__credit=True)
        fill_wallet(first.driver, "50.00")
        sessions = [first] + [
            EndedSessionFactory(contract=first.contract, tariff_version=first.tariff_version)
            for _ in range(THREADS - 1)
        ]
        outcomes = race(lambda index: settle_session(session_id=sessions[index].pk))
        assert all(isinstance(outcome, Cdr) for outcome in outcomes)
        legs = FundingLeg.objects.values_list("source", "amount")
        assert sum(amount for source, amount in legs if source == "wallet_cash") == Decimal("50.00")
        assert sum(amount for source, amount in legs if source == "card") == Decimal("276.40")
        assert wallet_of(first.driver_id).balance == eur("0.00")
        assert_books_hold()


class TestOneSession:
    def test_settled_by_many_at_once_it_is_billed_once(self):
        session = EndedSessionFactory(contract_type__credit=True)
        fill_wallet(session.driver, "4.00")
        outcomes = race(lambda index: settle_session(session_id=session.pk), threads=8)
        assert len({outcome.pk for outcome in outcomes}) == 1
        assert (Cdr.objects.count(), FundingLeg.objects.count(), OrmQ.objects.count()) == (1, 2, 1)
        assert LedgerTransaction.objects.filter(event="session_settled").count() == 1
        assert wallet_of(session.driver_id).balance == eur("0.00")
        assert_books_hold()

    def test_control_without_the_lock_everybody_sees_it_unsettled(self):
        session = EndedSessionFactory()
        everybody_has_read = threading.Barrier(8)

        def look(index):
            with transaction.atomic():
                outcome = ChargingSession.objects.get(pk=session.pk).outcome
                everybody_has_read.wait(timeout=60)
                ChargingSession.objects.filter(pk=session.pk).update(outcome="in_review", review_reason="race")
                return outcome

        assert race(look, threads=8) == ["pending"] * 8

    def test_a_hold_and_a_settlement_never_promise_the_same_money(self):
        """12.00 in the wallet; one session of 10.20 is settled while others reserve 5.00 each."""
        session = EndedSessionFactory(contract_type__credit=True)
        others = [
            EndedSessionFactory(contract=session.contract, status="active", stopped_at=None, ended_at=None)
            for _ in range(7)
        ]
        fill_wallet(session.driver, "12.00")

        def work(index):
            if index == 0:
                return settle_session(session_id=session.pk)
            return place_hold(
                driver_id=session.driver_id,
                session_id=others[index - 1].pk,
                amount=eur("5.00"),
                expires_at=clock.now() + timedelta(days=1),
                idempotency_key=f"hold:{index}",
            )

        outcomes = race(work, threads=8)
        view = wallet_of(session.driver_id)
        held = sum(outcome.amount for outcome in outcomes if isinstance(outcome, Hold))
        drawn = sum(leg.amount for leg in FundingLeg.objects.filter(source="wallet_cash"))
        assert (view.reserved.amount, view.balance.amount) == (held, Decimal("12.00") - drawn)
        assert view.available.amount >= 0
        assert_books_hold()


class TestOneKey:
    def test_posted_by_many_at_once_it_is_posted_once(self):
        ada = DriverFactory()

        def pay_in(index):
            return credit_wallet(
                driver_id=ada.pk,
                amount=eur("5.00"),
                kind="cash",
                origin="card_top_up",
                reason="",
                idempotency_key="payment:1",
            )

        outcomes = race(pay_in, threads=16)
        assert len({outcome.pk for outcome in outcomes}) == 1
        assert wallet_of(ada.pk).balance == eur("5.00")

    def test_posted_to_two_wallets_at_once_one_of_them_is_refused(self):
        drivers = [DriverFactory(), DriverFactory()]

        def pay_in(index):
            return post(
                idempotency_key="payment:1",
                event="wallet_credited",
                occurred_at=clock.now(),
                currency="EUR",
                postings=[
                    debit(system("bank_clearing", "EUR"), Decimal(5)),
                    credit(wallet(drivers[index].pk, "EUR"), Decimal(5)),
                ],
            )

        outcomes = race(pay_in, threads=2)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IdempotencyConflict", "LedgerTransaction"]
        assert LedgerTransaction.objects.count() == 1
