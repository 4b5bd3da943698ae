"""A stateful machine plays with wallets; after every step the books hold and match a model kept in plain Python."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from billing.domain.postings import system
from billing.errors import InsufficientFunds
from billing.models import Hold
from billing.selectors.book_checks import CHECKS
from billing.selectors.wallets import statement, wallet_of
from billing.services.holds import capture_hold, place_hold, release_hold
from billing.services.settlement import settle_session
from billing.services.wallets import adjust_wallet, credit_wallet
from common import clock
from common.errors import IdempotencyConflict
from common.money import Money
from tests.billing.factories import EndedSessionFactory

amounts = st.integers(min_value=1, max_value=5_000).map(lambda cents: Decimal(cents) / 100)
FEES = system("revenue_fees", "EUR")
PRICE = Decimal("10.20")


class WalletMachine(RuleBasedStateMachine):
    """Ada's wallet under the credit mechanism: a balance, reserves, and keys that were used before."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.running = EndedSessionFactory(contract_type__credit=True, status="active", stopped_at=None, ended_at=None)
        self.driver_id = self.running.driver_id
        self.balance = Decimal(0)
        self.holds: dict[int, Decimal] = {}
        self.keys = 0
        self.last_credit: tuple[str, Decimal] | None = None

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @property
    def available(self) -> Decimal:
        return self.balance - sum(self.holds.values())

    def key(self) -> str:
        self.keys += 1
        return f"machine:{self.keys}"

    @rule(amount=amounts, kind=st.sampled_from(["cash", "promo"]))
    def pay_in(self, amount, kind):
        self.last_credit = (self.key(), amount)
        self._pay_in(*self.last_credit, kind)
        self.balance += amount

    def _pay_in(self, key, amount, kind="cash"):
        return credit_wallet(
            driver_id=self.driver_id,
            amount=Money(amount, "EUR"),
            kind=kind,
            origin="operator",
            reason="machine",
            idempotency_key=key,
        )

    @precondition(lambda self: self.last_credit is not None)
    @rule(more=amounts)
    def pay_in_other_money_under_a_used_key(self, more):
        key, amount = self.last_credit
        with pytest.raises(IdempotencyConflict), transaction.atomic():
            self._pay_in(key, amount + more)

    @rule(amount=amounts)
    def take_out(self, amount):
        arguments = {
            "driver_id": self.driver_id,
            "amount": Money(amount, "EUR"),
            "reason": "machine",
            "idempotency_key": self.key(),
        }
        if amount > self.available:
            with pytest.raises(InsufficientFunds), transaction.atomic():
                adjust_wallet(**arguments)
            return
        assert adjust_wallet(**arguments) == adjust_wallet(**arguments)
        self.balance -= amount

    @rule(amount=amounts)
    def reserve(self, amount):
        arguments = {
            "driver_id": self.driver_id,
            "session_id": self.running.pk,
            "amount": Money(amount, "EUR"),
            "expires_at": clock.now() + timedelta(days=1),
            "idempotency_key": self.key(),
        }
        if amount > self.available:
            with pytest.raises(InsufficientFunds), transaction.atomic():
                place_hold(**arguments)
            return
        self.holds[place_hold(**arguments).pk] = amount

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def release(self, data):
        hold_id = data.draw(st.sampled_from(sorted(self.holds)))
        assert release_hold(hold_id=hold_id).status == Hold.Status.RELEASED
        del self.holds[hold_id]

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def capture(self, data):
        hold_id = data.draw(st.sampled_from(sorted(self.holds)))
        cents = data.draw(st.integers(min_value=1, max_value=int(self.holds[hold_id] * 100)))
        amount = Decimal(cents) / 100
        capture_hold(hold_id=hold_id, amount=Money(amount, "EUR"), credit_to=FEES, idempotency_key=self.key())
        del self.holds[hold_id]
        self.balance -= amount

    @rule()
    def settle(self):
        session = EndedSessionFactory(contract=self.running.contract, tariff_version=self.running.tariff_version)
        drawn = min(self.available, PRICE)
        cdr = settle_session(session_id=session.pk)
        legs = {"wallet": Decimal(0), "card": Decimal(0)}
        for leg in cdr.legs.all():
            legs[leg.source.partition("_")[0]] += leg.amount
        assert legs == {"wallet": drawn, "card": PRICE - drawn}
        self.balance -= drawn

    @invariant()
    def the_wallet_is_the_models(self):
        view = wallet_of(self.driver_id)
        assert view.balance.amount == self.balance
        assert view.available.amount == self.available >= 0
        rows = statement(self.driver_id)
        assert (rows[-1].balance.amount if rows else 0) == self.balance

    @invariant()
    def the_books_hold(self):
        for _, _, run in CHECKS:
            assert list(run(clock.now())) == []


@pytest.mark.django_db
def test_the_machine():
    run_state_machine_as_test(WalletMachine, settings=settings(max_examples=15, stateful_step_count=15, deadline=None))
