"""A developer's or newcomer's machine: SQLite, in-memory channel layer, fake payments, mail on the console."""

import os

os.environ.setdefault("SECRET_KEY", "local-only-not-a-secret")
os.environ.setdefault("OCPP_KEY_PEPPER", "local-only-not-a-secret")
os.environ.setdefault("FAKE_PROVIDER_WEBHOOK_SECRET", "local-only-not-a-secret")

from config.settings.base import *
from config.settings.base import STORAGES, VAR_DIR, env

DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ACCOUNT_EMAIL_VERIFICATION = "none"
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=False)
STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
PRICE_SERIES_ALLOW_LOOPBACK = True
VAR_DIR.mkdir(exist_ok=True)
