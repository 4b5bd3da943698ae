"""What start-up refuses about payments."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

LIVE_KEY_WITH_DEBUG = Error(
    "DEBUG is on and STRIPE_SECRET_KEY is a live key.",
    hint="Use a test key (sk_test_...) here. With DEBUG on, pages show what no stranger may see.",
    id="billing.E001",
)
NO_KEY = Error(
    "PAYMENT_PROVIDER is 'stripe', but STRIPE_SECRET_KEY or STRIPE_WEBHOOK_SECRET is missing.",
    hint="Set both, or PAYMENT_PROVIDER=fake to try things out. docs/payments.md says where Stripe shows them.",
    id="billing.E002",
)

TEST_KEY_IN_SERVICE = Warning(
    "The site is public (SITE_URL is https) and STRIPE_SECRET_KEY is a test key: no money moves.",
    hint="Use the live key (sk_live_... or a restricted rk_live_...) unless this is a staging system.",
    id="billing.W001",
)
UNKNOWN_BEARER = Error(
    "DISPUTES_LOST names neither 'receivable' nor 'loss'.",
    hint="Use DISPUTES_LOST=receivable when customers owe lost disputes again, DISPUTES_LOST=loss when you bear them.",
    id="billing.E003",
)


@register("payments")
def check_payments(**options: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if settings.DEBUG and settings.STRIPE_LIVE_MODE:
        problems.append(LIVE_KEY_WITH_DEBUG)
    if settings.PAYMENT_PROVIDER == "stripe" and not (settings.STRIPE_SECRET_KEY and settings.STRIPE_WEBHOOK_SECRET):
        problems.append(NO_KEY)
    elif settings.PAYMENT_PROVIDER == "stripe" and not settings.STRIPE_LIVE_MODE and _is_public():
        problems.append(TEST_KEY_IN_SERVICE)
    if settings.DISPUTES_LOST not in ("receivable", "loss"):
        problems.append(UNKNOWN_BEARER)
    return problems


def _is_public() -> bool:
    return settings.SITE_URL.startswith("https://") and not settings.DEBUG
