"""Stripe's library as this project uses it: its key, its time limits, its errors in our words."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import stripe
from django.conf import settings

from billing.providers.errors import IdempotencyMismatch, ProviderUnavailable, RequestRefused

log = logging.getLogger(__name__)

SECONDS_TO_ANSWER = 20
# The library repeats a request under its own idempotency key; the sweep asks again after that.
REPEATS = 1


def new_client(http_client: stripe.HTTPClient | None = None) -> stripe.StripeClient:
    """A client for the installation's secret key."""
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        http_client=http_client or stripe.RequestsClient(timeout=SECONDS_TO_ANSWER),
        max_network_retries=REPEATS,
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Stripe's errors as ours. A declined card (CardError) passes: it is an answer.

    A key that is refused is no refusal of the request: once the key is put right, the same request is made again.
    """
    try:
        yield
    except stripe.CardError:
        raise
    except stripe.IdempotencyError as error:
        raise IdempotencyMismatch from error
    except stripe.InvalidRequestError as error:
        if error.code == "idempotency_key_in_use":
            raise ProviderUnavailable from error
        raise RequestRefused(_refusal(error)) from error
    except stripe.StripeError as error:
        log.error("Stripe did not do what it was asked: %s %s", type(error).__name__, error.request_id or "")
        raise ProviderUnavailable from error


def _refusal(error: stripe.InvalidRequestError) -> str:
    """Stripe's own sentence, which names what it did not accept; it repeats no card data."""
    return error.user_message or str(RequestRefused.sentence)
