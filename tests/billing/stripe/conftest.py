import pytest
from pytest_django import Settings

from billing.providers.stripe.provider import StripeProvider
from tests.billing.stripe.server import Server


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def stripe_provider(server: Server, settings: Settings) -> StripeProvider:
    settings.STRIPE_SECRET_KEY = "sk_test_not_a_secret"
    return StripeProvider(http_client=server)
