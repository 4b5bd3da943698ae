"""Automatic top-up: a driver at noon with nothing in the wallet, and short words for what they agree to."""

from datetime import timedelta
from decimal import Decimal

from accounts.models import Driver
from billing.models import AutoTopUp, ChargingSession
from billing.services.auto_top_ups import agree_to_auto_top_up
from billing.tasks import settle_session
from tests.billing.factories import EndedSessionFactory
from tests.billing.payments.world import work_off_queue
from tests.billing.wallets.world import broken, cleared, taken_at_bank

NOTHING = Decimal(0)
ONCE = Decimal("25.00")
HOUR = timedelta(hours=1)


def agree(driver: Driver, **terms: str) -> AutoTopUp:
    """Below 10.00, 25.00 are charged; at most 50.00 a day and 100.00 a month."""
    amounts = {"threshold": "10", "amount": "25", "max_per_day": "50", "max_per_month": "100", **terms}
    return agree_to_auto_top_up(
        driver_id=driver.pk,
        consent="I agree.",
        actor_id=driver.user_id,
        **{name: Decimal(amount) for name, amount in amounts.items()},
    )


def plan_of(driver: Driver) -> AutoTopUp:
    return AutoTopUp.objects.get(driver=driver)


def spend(driver: Driver) -> ChargingSession:
    """A session of 10.20 is settled by its task; what that queues is done."""
    session: ChargingSession = EndedSessionFactory(contract=driver.contracts.get())
    settle_session(session.pk)
    work_off_queue()
    return session


def money() -> tuple[Decimal, Decimal]:
    """What the bank took and what we say it took."""
    assert broken() == []
    return taken_at_bank(), cleared()
