import pytest

from accounts.models import Driver
from billing.models import FundingLeg
from billing.services.payments import collect_leg
from tests.billing.payments.world import owe, save_card
from tests.factories import ContractFactory, DriverFactory


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    """Pays by card after the session. Nothing is rolled back here: a provider is never called inside a transaction."""
    driver: Driver = DriverFactory()
    ContractFactory(driver=driver)
    return driver


@pytest.fixture
def unconfirmed(ada: Driver) -> FundingLeg:
    """Ada owes 6.20, and her bank wants to hear from her."""
    save_card(ada, "confirm_each")
    leg = owe(ada)
    collect_leg(leg_id=leg.pk)
    return leg
