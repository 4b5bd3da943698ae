from django.apps import AppConfig

from common.guards import register_guards
from invoicing.guards import GUARDS


class InvoicingConfig(AppConfig):
    name = "invoicing"
    verbose_name = "Documents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register_guards(GUARDS)
