"""A settlement, a meter value and the sweep notice an empty wallet at once: one charge. Beside it, what happens without
the driver's lock."""

import threading
from decimal import Decimal

import pytest

from accounts.models import Driver
from billing.models import AutoTopUp, Payment
from billing.providers.base import PaymentRequest
from billing.providers.registry import get_provider
from billing.selectors.auto_top_ups import is_low, low_wallets
from billing.services.auto_top_ups import top_up_if_low
from common import clock
from tests.billing.factories import eur
from tests.billing.ledger.test_races import race
from tests.billing.payments.world import save_card
from tests.billing.wallets.auto_top_ups import agree
from tests.billing.wallets.world import balance, broken, cleared, taken_at_bank, top_up_of, wallet_driver

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,
    # A deadlock in a thread is no outcome.
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]

THREADS = 8
AMOUNT = Decimal("25.00")


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    driver = wallet_driver(auto_topup=True)
    save_card(driver)
    agree(driver, max_per_day="500", max_per_month="500")
    return driver


def test_many_triggers_at_once_make_one_charge(ada: Driver) -> None:
    for rounds in range(1, 4):
        outcomes = race(lambda _index: top_up_if_low(driver_id=ada.pk), THREADS)
        assert sum(isinstance(outcome, Payment) for outcome in outcomes) == (rounds == 1)
        assert [outcome for outcome in outcomes if not isinstance(outcome, Payment | None)] == []
    assert (taken_at_bank(), cleared(), balance(ada), Payment.objects.count()) == (AMOUNT, AMOUNT, AMOUNT, 1)
    assert broken() == []


def test_with_the_drivers_own_top_up_beside_them_the_wallet_is_filled_once_each_at_most(ada: Driver) -> None:
    outcomes = race(lambda index: top_up_of(ada) if index == 0 else top_up_if_low(driver_id=ada.pk), THREADS)
    made = [outcome for outcome in outcomes if isinstance(outcome, Payment)]
    # Whichever was first filled the wallet; the driver's own may still follow an automatic one.
    assert sum(payment.is_automatic for payment in made) <= 1
    assert taken_at_bank() == cleared() == balance(ada) == AMOUNT * len(made)
    assert broken() == []


def test_control_without_the_lock_each_charges(ada: Driver) -> None:
    method = ada.payment_methods.get()
    plan = AutoTopUp.objects.get(driver=ada)
    have_read = threading.Barrier(THREADS)

    def without_lock(index: int) -> None:
        if not low_wallets(clock.now()).filter(pk=plan.pk).exists() or not is_low(plan):
            return
        have_read.wait(timeout=30)
        get_provider().charge(
            PaymentRequest(
                f"trigger:{index}", method.provider_customer, method.provider_reference, eur("25.00"), "", "/"
            )
        )

    race(without_lock, THREADS)

    assert taken_at_bank() == THREADS * AMOUNT
