import pytest

from accounts.models import Driver
from tests.factories import ContractFactory, DriverFactory


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    """Pays by card after the session. Nothing is rolled back here: a provider is never called inside a transaction."""
    driver: Driver = DriverFactory()
    ContractFactory(driver=driver)
    return driver
