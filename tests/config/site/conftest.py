from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import Driver
from tariffs.models import TariffVersion
from tests.config.site.world import driver_with, priced_network


@pytest.fixture
def network(db: None) -> TariffVersion:
    """0.40 €/kWh net everywhere, 19 % VAT."""
    return priced_network()


@pytest.fixture
def ada(network: TariffVersion) -> Driver:
    """Pays as she goes, wallet first."""
    return driver_with("credit")


@pytest.fixture
def stranger(network: TariffVersion) -> Driver:
    """Somebody else's login, with the same kind of contract."""
    return driver_with("credit", email="mallory@example.org", name="Mallory")


@pytest.fixture
def browse() -> Callable[[Driver], Client]:
    """A browser that is logged in as a driver."""

    def logged_in(driver: Driver) -> Client:
        browser = Client()
        assert driver.user is not None
        browser.force_login(driver.user, backend="django.contrib.auth.backends.ModelBackend")
        return browser

    return logged_in
