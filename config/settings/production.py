"""Production: refuses to start unless every secret and address it needs is set."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.base import (
    ALLOWED_HOSTS,
    DATABASES,
    OCPP_KEY_PEPPER,
    OCPP_PROXY_SECRET,
    PAYMENT_PROVIDER,
    REDIS_URL,
    SECRET_KEY,
    SITE_URL,
    STAFF_MFA_REQUIRED,
    STRIPE_SECRET_KEY,
    STRIPE_WEBHOOK_SECRET,
    env,
)

_problems = [
    sentence
    for is_wrong, sentence in (
        (len(SECRET_KEY) < 50, "SECRET_KEY must be set to at least 50 random characters."),
        (0 < len(OCPP_PROXY_SECRET) < 32, "OCPP_PROXY_SECRET must have at least 32 random characters, or be empty."),
        (len(OCPP_KEY_PEPPER) < 32, "OCPP_KEY_PEPPER must be set to at least 32 random characters."),
        (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS, "ALLOWED_HOSTS must name the host names this site answers to."),
        (not SITE_URL.startswith("https://"), "SITE_URL must be the public https:// address of this site."),
        (
            DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql",
            "DATABASE_URL must name a PostgreSQL database.",
        ),
        (not REDIS_URL, "REDIS_URL must name a Redis server."),
        (env.bool("DEBUG", default=False), "DEBUG must not be set in production."),
        (
            PAYMENT_PROVIDER == "fake" and not env.bool("ALLOW_FAKE_PAYMENTS", default=False),
            "PAYMENT_PROVIDER is 'fake': no money would move. Set ALLOW_FAKE_PAYMENTS=true on a staging system only.",
        ),
        (
            PAYMENT_PROVIDER == "stripe" and not STRIPE_SECRET_KEY.startswith(("sk_", "rk_")),
            "STRIPE_SECRET_KEY must be the secret key of your Stripe account (sk_... or a restricted rk_...).",
        ),
        (
            PAYMENT_PROVIDER == "stripe" and not STRIPE_WEBHOOK_SECRET.startswith("whsec_"),
            "STRIPE_WEBHOOK_SECRET must be the signing secret (whsec_...) of the endpoint /pay/webhooks/stripe/.",
        ),
        (not STAFF_MFA_REQUIRED, "STAFF_MFA_REQUIRED must stay on in production."),
    )
    if is_wrong
]
if _problems:
    raise ImproperlyConfigured("Voltledger will not start:\n  - " + "\n  - ".join(_problems))

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=True) else None
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
