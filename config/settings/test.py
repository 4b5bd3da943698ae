"""Settings of the test suite. DATABASE_URL and REDIS_URL choose the services, as everywhere."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "test-only-not-a-secret")
os.environ.setdefault("OCPP_KEY_PEPPER", "test-only-not-a-secret")
os.environ.setdefault("FAKE_PROVIDER_WEBHOOK_SECRET", "test-only-not-a-secret")

from config.settings.base import *
from config.settings.base import DATABASES, STORAGES

ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ACCOUNT_EMAIL_VERIFICATION = "none"
STAFF_MFA_REQUIRED = False
AXES_ENABLED = False
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
MEDIA_ROOT = Path(tempfile.mkdtemp(prefix="voltledger-test-documents-"))
DATABASES["default"]["CONN_MAX_AGE"] = 0
