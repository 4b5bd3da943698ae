"""Several sessions settled in one transaction come out as one by one; a bad one among them stops no other."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django_q.models import OrmQ

from billing.domain.settlement import Bill, decide
from billing.models import Cdr, ChargingSession, Hold, LedgerEntry, LedgerTransaction, WalletLot
from billing.selectors.book_checks import CHECKS
from billing.selectors.wallets import wallet_of
from billing.services import settlement, settlement_portable, settlement_postgresql
from billing.services.accounts import receivable_account
from billing.services.holds import place_hold
from billing.services.settlement import settle_overdue, settle_session, settle_with_others
from billing.services.settlement_rows import rows_of
from common import clock
from common.errors import BadInput, IdempotencyConflict, VoltledgerError
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.payments.world import owed_by
from tests.factories import ContractFactory, ContractTypeFactory, TariffVersionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def opened() -> None:
    """The operator's accounts are there, as they are after the first settlement of all."""
    settle_session(session_id=EndedSessionFactory().pk)
    OrmQ.objects.all().delete()


def held(session: ChargingSession, amount: str) -> Hold:
    return place_hold(
        driver_id=session.driver_id,
        session_id=session.pk,
        amount=eur(amount),
        expires_at=clock.now() + timedelta(days=2),
        idempotency_key=f"hold:{session.pk}",
    )


def sweep() -> int:
    return settle_overdue(now=clock.now())


def outcomes() -> list[str]:
    return list(ChargingSession.objects.order_by("pk").values_list("outcome", flat=True))


def assert_books_hold() -> None:
    for _, _, run in CHECKS:
        assert list(run(clock.now())) == []


def unpriceable() -> ChargingSession:
    """Nothing that can happen, but nothing else may suffer from it: its frozen tariff is no tariff."""
    return EndedSessionFactory(tariff_version=TariffVersionFactory(document="{}"))


def wallet_trio() -> list[ChargingSession]:
    """Three sessions of one wallet with 25.00: 10.20, 10.20, and 4.60 with 5.60 left to pay."""
    contract = ContractFactory(contract_type=ContractTypeFactory(wallet=True))
    fill_wallet(contract.driver, "20.00")
    fill_wallet(contract.driver, "5.00", kind="promo", expires_at=clock.now() + timedelta(days=9))
    sessions = [EndedSessionFactory(contract=contract) for _ in range(3)]
    held(sessions[0], "11.00")
    held(sessions[1], "9.00")
    receivable_account(contract.driver_id, "EUR")
    return sessions


@pytest.mark.usefixtures("opened")
class TestTogether:
    def test_sessions_of_one_wallet_find_it_as_the_one_before_left_it(self) -> None:
        sessions = wallet_trio()
        assert sweep() == 3
        assert [
            list(Cdr.objects.get(charging_session=session).legs.values_list("source", "amount", "state"))
            for session in sessions
        ] == [
            [("wallet_promo", Decimal("5.00"), "paid"), ("wallet_cash", Decimal("5.20"), "paid")],
            [("wallet_cash", Decimal("10.20"), "paid")],
            [("wallet_cash", Decimal("4.60"), "paid"), ("debt", Decimal("5.60"), "due")],
        ]
        assert list(Hold.objects.order_by("pk").values_list("status", "captured_amount")) == [
            ("captured", Decimal("10.20")),
            ("captured", Decimal("9.00")),
        ]
        driver_id = sessions[0].driver_id
        assert driver_id is not None
        assert (wallet_of(driver_id).balance, wallet_of(driver_id).reserved) == (eur("0"), eur("0"))
        assert owed_by(driver_id) == Decimal("5.60")
        assert_books_hold()

    def test_each_session_has_its_own_posting_and_its_own_task(self) -> None:
        sessions = [EndedSessionFactory(contract_type__credit=True) for _ in range(3)]
        for session in sessions:
            settle_session(session_id=EndedSessionFactory(contract=session.contract).pk)
        OrmQ.objects.all().delete()
        fill_wallet(sessions[1].driver, "4.00")
        assert sweep() == 3
        cdrs = [Cdr.objects.get(charging_session=session) for session in sessions]
        assert [cdr.ledger_transaction.reference for cdr in cdrs if cdr.ledger_transaction] == [
            str(session.public_id) for session in sessions
        ]
        assert sorted(task.task["args"] for task in OrmQ.objects.all()) == [
            (cdr.legs.get(source="card").pk,) for cdr in cdrs
        ]
        assert_books_hold()

    def test_what_is_more_than_a_bill_is_settled_on_its_own(self) -> None:
        billed = EndedSessionFactory()
        free = EndedSessionFactory(minutes=1, contract_type__wallet=True)
        fill_wallet(free.driver, "9.00")
        held(free, "5.00")
        doubtful = EndedSessionFactory(vat_percent=None)
        first_ever = EndedSessionFactory(contract_type__open_access=True)
        assert sweep() == 4
        for session, outcome in (
            (billed, "billed"),
            (free, "free"),
            (doubtful, "in_review"),
            (first_ever, "billed"),
        ):
            session.refresh_from_db()
            assert session.outcome == outcome
        assert free.driver_id is not None
        assert wallet_of(free.driver_id).available == eur("9.00")
        assert_books_hold()

    @pytest.mark.postgresql
    def test_six_take_as_many_statements_as_three(self) -> None:
        contract = ContractFactory(contract_type=ContractTypeFactory(wallet=True))
        fill_wallet(contract.driver, "1000.00")

        def statements(count: int) -> int:
            for _ in range(count):
                EndedSessionFactory(contract=contract)
            told: list[str] = []

            def count_it(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
                told.append(sql)
                return execute(sql, *arguments)

            with connection.execute_wrapper(count_it):
                assert sweep() == count
            return len(told)

        # Which are due, a savepoint, the claim, the locked read, the other read, the write, and its release.
        assert statements(3) == statements(6) == 7

    def test_more_than_a_group_takes_the_next_group(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settlement, "GROUP", 2)
        contract = ContractFactory(contract_type=ContractTypeFactory(wallet=True))
        fill_wallet(contract.driver, "100.00")
        for _ in range(5):
            EndedSessionFactory(contract=contract)
        assert sweep() == 5
        assert wallet_of(contract.driver_id).balance == eur("49.00")
        assert_books_hold()


@pytest.mark.usefixtures("opened")
class TestABadOne:
    def test_it_stays_unsettled_and_the_others_do_not(self) -> None:
        sessions = [EndedSessionFactory(), unpriceable(), EndedSessionFactory()]
        assert sweep() == 3
        for session, outcome in zip(sessions, ("billed", "pending", "billed"), strict=True):
            session.refresh_from_db()
            assert session.outcome == outcome
        assert sweep() == 1

    def test_its_own_task_raises_what_is_wrong(self) -> None:
        bad = unpriceable()
        with pytest.raises(BadInput):
            settle_with_others(session_id=bad.pk)


@pytest.mark.usefixtures("opened")
class TestOneTaskDoesTheWorkOfMany:
    @pytest.fixture
    def burst(self) -> list[ChargingSession]:
        started_at = clock.now() - timedelta(hours=1)
        return [EndedSessionFactory(started_at=started_at + timedelta(seconds=number)) for number in range(3)]

    def test_what_ended_just_now_is_settled_with_it(self, burst: list[ChargingSession]) -> None:
        earlier = EndedSessionFactory()
        settle_with_others(session_id=burst[0].pk)
        assert Cdr.objects.filter(charging_session__in=burst).count() == 3
        earlier.refresh_from_db()
        assert earlier.outcome == "pending"

    def test_the_others_find_it_done(self, burst: list[ChargingSession]) -> None:
        for session in burst:
            settle_with_others(session_id=session.pk)
        assert Cdr.objects.filter(charging_session__in=burst).count() == 3
        assert OrmQ.objects.count() == 3
        assert_books_hold()

    def test_one_that_ended_long_ago_is_settled_all_the_same(self) -> None:
        late = EndedSessionFactory()
        settle_with_others(session_id=late.pk)
        assert Cdr.objects.filter(charging_session=late).exists()

    def test_one_that_is_not_there_is_told(self) -> None:
        with pytest.raises(ChargingSession.DoesNotExist):
            settle_with_others(session_id=0)


@pytest.mark.postgresql
@pytest.mark.usefixtures("opened")
def test_both_stores_write_a_group_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = wallet_trio()
    volatile = {"id", "public_id", "created_at", "cdr_id", "resolved_at", "transaction_id", "ledger_transaction_id"}

    def rows(queryset: Any) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name not in volatile} for row in queryset.values()]

    def settled_by(store: Any, *, together: bool) -> list[Any]:
        with transaction.atomic():
            monkeypatch.setattr(settlement, "_store", lambda: store)
            if together:
                sweep()
            else:
                for session in sessions:
                    settle_session(session_id=session.pk)
            written = [
                rows(queryset)
                for queryset in (
                    Cdr.objects.order_by("pk"),
                    LedgerEntry.objects.order_by("pk"),
                    WalletLot.objects.order_by("pk"),
                    Hold.objects.order_by("pk"),
                    ChargingSession.objects.order_by("pk"),
                )
            ]
            transaction.set_rollback(True)
        return written

    expected = settled_by(settlement_portable, together=False)
    assert settled_by(settlement_portable, together=True) == expected
    assert settled_by(settlement_postgresql, together=True) == expected


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Run all of `works` at the same time, each on its own connection; the error each raised, or None."""
    start = threading.Barrier(len(works))
    errors: list[Any] = [None] * len(works)

    def run(index: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(timeout=60)
            works[index]()
        except (VoltledgerError, IntegrityError) as error:
            errors[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    return errors


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestWorkersAtOnce:
    """Twenty sessions of four wallets, in turn, so that every two groups want the same wallets."""

    @pytest.fixture
    def sessions(self) -> list[ChargingSession]:
        contracts = [ContractFactory(contract_type=ContractTypeFactory(wallet=True)) for _ in range(4)]
        for contract in contracts:
            fill_wallet(contract.driver, "100.00")
        settle_session(session_id=EndedSessionFactory(contract=contracts[0]).pk)
        return [EndedSessionFactory(contract=contracts[number % 4]) for number in range(20)]

    def test_each_session_is_settled_once(
        self, sessions: list[ChargingSession], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settlement, "GROUP", 3)
        assert at_once([sweep] * 4) == [None] * 4
        sweep()
        assert Cdr.objects.filter(charging_session__in=sessions).count() == 20
        assert LedgerTransaction.objects.filter(event="session_settled").count() == 21
        assert sorted(wallet_of(pk).balance.amount for pk in {session.driver_id or 0 for session in sessions}) == [
            Decimal("38.80"),
            *[Decimal("49.00")] * 3,
        ]
        assert_books_hold()

    def test_control_without_the_locks_only_the_key_stops_the_second(self, sessions: list[ChargingSession]) -> None:
        """Both read before either writes, as they would if reading did not lock."""
        with transaction.atomic():
            facts = settlement_postgresql.read_facts([sessions[0].pk])[0]

        def write() -> None:
            bill = decide(facts, settlement._free_rules())
            assert isinstance(bill, Bill)
            moment: datetime = clock.now()
            with transaction.atomic():
                settlement_postgresql.write_bills([(rows_of(bill, moment), bill.posting_plan({}))])

        errors = at_once([write, write])
        assert [type(error) for error in errors if error is not None] in ([IdempotencyConflict], [IntegrityError])
