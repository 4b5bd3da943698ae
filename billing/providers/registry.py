"""Which payment providers there are, and the one in use."""

from decimal import Decimal

from django.conf import settings

from billing.providers.base import PaymentProvider
from billing.providers.errors import UnknownProvider
from billing.providers.fake.provider import FakeProvider
from billing.providers.stripe.provider import StripeProvider

_PROVIDERS: dict[str, type[PaymentProvider]] = {FakeProvider.name: FakeProvider, StripeProvider.name: StripeProvider}


def least_charge(currency: str) -> Decimal:
    """The least a card is charged in this currency: the provider's minimum, or the installation's where it is more."""
    own = Decimal(settings.PAYMENT_MINIMUMS.get(currency, 0))
    return max(get_provider().least_charge(currency), own)


def get_provider(name: str | None = None) -> PaymentProvider:
    """The provider called `name`, by default the one new cards and payments go to. Raises UnknownProvider."""
    try:
        return _PROVIDERS[name or settings.PAYMENT_PROVIDER]()
    except KeyError as error:
        raise UnknownProvider from error
