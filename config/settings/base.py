"""Settings every installation shares. Values come from the environment; `.env.example` says why each exists."""

import os
from decimal import Decimal
from pathlib import Path

import environ
from whitenoise.compress import Compressor

from config.settings.portal import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
# The tests name another file, so that a developer's own settings never reach them.
environ.Env.read_env(BASE_DIR / os.environ.get("ENV_FILE", ".env"))

DEBUG = False
SECRET_KEY = env("SECRET_KEY", default="")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SITE_URL = env("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
OPERATOR_NAME = env("OPERATOR_NAME", default="Voltledger")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "config.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "djmoney",
    "channels",
    "django_q",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "django_htmx",
    "django_filters",
    "import_export",
    "common",
    "accounts",
    "locations",
    "tariffs",
    "billing",
    "ocpp_gateway",
    "invoicing",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = None

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context_processors.operator",
            ],
        },
    },
]

# --- Data ---------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'voltledger.sqlite3'}")}
DATABASES["default"]["ATOMIC_REQUESTS"] = False
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock before the first read: the only thing that makes lock-then-read true on SQLite.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON; PRAGMA foreign_keys=ON;"
        ),
    }
else:
    # Statements that post and settle are planned once per connection. Negative: never.
    _prepare_threshold = env.int("DATABASE_PREPARE_THRESHOLD", default=1)
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "prepare_threshold", _prepare_threshold if _prepare_threshold >= 0 else None
    )
DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"

REDIS_URL = env("REDIS_URL", default="")
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # Without socket_timeout None redis-py's default drops receivers that wait quietly.
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
        }
    }
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# The ORM broker makes a queued task part of the transaction that queued it. `retry` must exceed `bulk` x `timeout`,
# or a task still running is handed out twice; `max_attempts` 0 would retry for ever; a small `bulk` and no saved
# successes drain several times faster than the defaults.
Q_CLUSTER = {
    "name": "voltledger",
    "orm": "default",
    "workers": env.int("WORKER_PROCESSES", default=2),
    "bulk": 4,
    "timeout": 60,
    "retry": 300,
    "max_attempts": 5,
    "ack_failures": True,
    "save_limit": -1,
    "poll": 0.5,
    "queue_limit": 16,
    "catch_up": False,
    "label": "Background tasks",
}

# --- People -------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env("ACCOUNT_EMAIL_VERIFICATION", default="mandatory")
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "config.people.AccountAdapter"
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = OPERATOR_NAME
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=True)
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "login"
AXES_USERNAME_CALLABLE = "config.lockout.attempted_login"
AXES_LOCKOUT_TEMPLATE = "429.html"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- Words, places, money -----------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("nl", "Nederlands")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env("TIME_ZONE", default="Europe/Berlin")
DEFAULT_CURRENCY = env("DEFAULT_CURRENCY", default="EUR")
FORMAT_MODULE_PATH = "config.formats"

# --- Files --------------------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Documents are served by authorised views only; there is no public media URL.
MEDIA_ROOT = Path(env("DOCUMENT_DIR", default=str(VAR_DIR / "documents")))
# Source maps are for those who debug the API reference's scripts; compressing them would take most of a deployment.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
# A mail server that says nothing for so long is asked again later; a background task is killed after a minute.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="Voltledger <billing@voltledger.example>")

# --- Payments and stations ----------------------------------------------------------------------------------------
PAYMENT_PROVIDER = env("PAYMENT_PROVIDER", default="fake")
FAKE_PROVIDER_WEBHOOK_SECRET = env("FAKE_PROVIDER_WEBHOOK_SECRET", default="")
# What a driver may top up at once, in units of the wallet's currency.
TOP_UP_MIN = Decimal(env("TOP_UP_MIN", default="5"))
TOP_UP_MAX = Decimal(env("TOP_UP_MAX", default="500"))
# Who bears a lost dispute: "receivable", the customer owes it again; "loss", the operator.
DISPUTES_LOST = env("DISPUTES_LOST", default="receivable")
# The least a card is charged, per currency, where the provider's own minimum is less.
PAYMENT_MINIMUMS = {currency: Decimal(least) for currency, least in env.dict("PAYMENT_MINIMUMS", default={}).items()}
# A prepaid driver is told by e-mail when the wallet falls below this, in units of its currency.
LOW_BALANCE = Decimal(env("LOW_BALANCE", default="5"))
STRIPE_SECRET_KEY = env("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_LIVE_MODE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
# Who this network is on OCPI objects: ISO 3166 country and the party id it was given there.
OCPI_COUNTRY_CODE = env("OCPI_COUNTRY_CODE", default="DE")
OCPI_PARTY_ID = env("OCPI_PARTY_ID", default="VLT")
OCPP_KEY_PEPPER = env("OCPP_KEY_PEPPER", default="")
OCPP_HEARTBEAT_SECONDS = env.int("OCPP_HEARTBEAT_SECONDS", default=60)
OCPP_ALLOW_UNAUTHENTICATED = env.bool("OCPP_ALLOW_UNAUTHENTICATED", default=False)
# What the TLS proxy in front proves itself with when it passes a client certificate on; empty: none is believed.
OCPP_PROXY_SECRET = env("OCPP_PROXY_SECRET", default="")
OCPP_MASK_ID_TAGS = env.bool("OCPP_MASK_ID_TAGS", default=True)
CONTRACT_MIGRATION_UNDO_DAYS = env.int("CONTRACT_MIGRATION_UNDO_DAYS", default=7)
PRICE_CORRECTION_FOUR_EYES = env.bool("PRICE_CORRECTION_FOUR_EYES", default=True)
SESSION_FREE_BELOW_SECONDS = env.int("SESSION_FREE_BELOW_SECONDS", default=120)
SESSION_FREE_BELOW_WH = env.int("SESSION_FREE_BELOW_WH", default=200)
SESSION_FREE_STAY_SECONDS = env.int("SESSION_FREE_STAY_SECONDS", default=600)

# Starts without an account from one network address, against those who only try.
AD_HOC_STARTS_PER_TEN_MINUTES = env.int("AD_HOC_STARTS_PER_TEN_MINUTES", default=20)

# Where market prices may be fetched from: directories, and beginnings of https addresses.
PRICE_SERIES_SOURCES: list[str] = env.list("PRICE_SERIES_SOURCES", default=[])
PRICE_SERIES_ALLOW_LOOPBACK = False

# --- API ----------------------------------------------------------------------------------------------------------
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=600)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["config.api.limits.PerKeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["config.api.formats.ExactJsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.formats.ExactJsonRenderer", "config.api.formats.ProblemRenderer"],
    "DEFAULT_PAGINATION_CLASS": "config.api.limits.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "config.api.problems.problem",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Voltledger API",
    "VERSION": "1",
    "DESCRIPTION": (
        "Present your API key as `Authorization: Bearer …`. Moments are UTC, energy is in Wh, amounts are text with "
        "the decimals of their currency. Refusals are problem documents with a stable `code`."
    ),
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_INCLUDE_SCHEMA": False,
    # Nothing but our own files and addresses: no picture from a validator elsewhere.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.schema.add_problem",
    ],
}

# --- Browser safety -----------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": [],
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        # The operator portal's components carry inline styles and evaluate their own attribute expressions.
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        # Browsers apply it to the redirect after a form, too: saving a card leads to the provider's own page.
        "form-action": ["'self'", *(["https://checkout.stripe.com"] if PAYMENT_PROVIDER == "stripe" else [])],
        "frame-ancestors": ["'none'"],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_ad_hoc_links": {"()": "config.log_filters.WithoutAdHocLinks"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Sockets are logged as they open, address and all.
        "uvicorn.error": {"filters": ["without_ad_hoc_links"]},
        # The library logs every frame at INFO, keys included.
        "ocpp": {"level": "ERROR"},
        # Every task queued, started and done; a failed one is logged as an error.
        "django-q": {"level": "WARNING"},
        "weasyprint": {"level": "ERROR"},
        "fontTools": {"level": "ERROR"},
    },
}
