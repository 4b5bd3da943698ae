"""Two want to top up the same wallet, or one spends what another brings. Beside each, what happens without the lock."""

import threading
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.conf import settings

from accounts.models import Driver
from billing.errors import InsufficientFunds, TopUpUnderWay
from billing.models import Hold, LedgerAccount, Payment
from billing.providers.base import PaymentRequest
from billing.providers.registry import get_provider
from billing.services.holds import place_hold
from billing.services.payments import send_payment
from billing.services.top_ups import claim_top_up
from common import clock
from tests.billing.factories import EndedSessionFactory, eur, fill_wallet
from tests.billing.ledger.test_races import race
from tests.billing.payments.world import save_card
from tests.billing.wallets.world import balance, broken, cleared, taken_at_bank, top_up_of, wallet_driver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

THREADS = 8
AMOUNT = Decimal("25.00")


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    return wallet_driver()


class TestTwoSubmissions:
    def test_of_one_form_make_one_charge_and_one_lot(self, ada: Driver) -> None:
        save_card(ada)
        key = uuid4()

        outcomes = race(lambda _index: top_up_of(ada, key=key), THREADS)

        assert {outcome.pk for outcome in outcomes} == {Payment.objects.get().pk}
        assert (taken_at_bank(), cleared(), balance(ada)) == (AMOUNT, AMOUNT, AMOUNT)
        assert broken() == []

    def test_of_two_forms_are_one_open_payment_at_a_time(self, ada: Driver) -> None:
        save_card(ada, "confirm_each")

        outcomes = race(lambda _index: top_up_of(ada), THREADS)

        assert sum(isinstance(outcome, Payment) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, TopUpUnderWay) for outcome in outcomes) == THREADS - 1
        assert Payment.objects.count() == 1

    def test_control_without_the_lock_each_charges(self, ada: Driver) -> None:
        method = save_card(ada)
        have_read = threading.Barrier(THREADS)

        def without_lock(index: int) -> None:
            if Payment.objects.filter(driver=ada, status__in=Payment.OPEN).exists():
                return
            have_read.wait(timeout=30)
            get_provider().charge(
                PaymentRequest(
                    idempotency_key=f"worker:{index}",
                    customer=method.provider_customer,
                    method=method.provider_reference,
                    amount=eur("25.00"),
                    description="",
                    return_url=settings.SITE_URL,
                )
            )

        race(without_lock, THREADS)

        assert taken_at_bank() == THREADS * AMOUNT


class TestHoldAgainstTopUp:
    """10.00 in the wallet; while 25.00 come in, eight sessions want to reserve 10.00 each."""

    def test_what_is_reserved_and_what_came_in_both_count(self, ada: Driver) -> None:
        save_card(ada)
        fill_wallet(ada, "10.00")
        session = EndedSessionFactory(contract=ada.contracts.get())
        claim = claim_top_up(driver_id=ada.pk, amount=eur("25.00"), key=uuid4())

        def work(index: int) -> object:
            if index == 0:
                return send_payment(payment=claim)
            return place_hold(
                driver_id=ada.pk,
                session_id=session.pk,
                amount=eur("10.00"),
                expires_at=clock.now() + timedelta(hours=1),
                idempotency_key=f"hold:{index}",
            )

        account = LedgerAccount.objects.get(code="wallet", driver=ada)
        outcomes = race(work, THREADS)

        held = sum(isinstance(outcome, Hold) for outcome in outcomes)
        refused = sum(isinstance(outcome, InsufficientFunds) for outcome in outcomes)
        assert held + refused == THREADS - 1
        assert 1 <= held <= 3
        account.refresh_from_db()
        assert (account.posted, account.pending) == (Decimal("35.00"), 10 * held)
        assert (balance(ada), cleared()) == (Decimal("35.00"), AMOUNT)
        assert set(broken()) == {"sessions_are_decided"}  # the session of the holds is never settled here

    def test_control_without_the_lock_what_came_in_is_lost(self, ada: Driver) -> None:
        fill_wallet(ada, "10.00")
        account = LedgerAccount.objects.get(code="wallet", driver=ada)
        have_read = threading.Barrier(THREADS)

        def without_lock(index: int) -> None:
            row = LedgerAccount.objects.get(pk=account.pk)
            have_read.wait(timeout=30)
            if index == 0:
                row.posted += AMOUNT
            else:
                row.pending += Decimal("10.00")
            row.save(update_fields=["posted", "pending"])

        race(without_lock, THREADS)

        account.refresh_from_db()
        assert (account.posted, account.pending) != (Decimal("35.00"), Decimal("10.00") * (THREADS - 1))
