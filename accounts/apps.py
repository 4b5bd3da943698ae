from django.apps import AppConfig

from accounts.guards import GUARDS
from common.guards import register_guards


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Customers and contracts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register_guards(GUARDS)
