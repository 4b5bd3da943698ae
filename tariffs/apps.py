from django.apps import AppConfig

from common.guards import register_guards
from tariffs.guards import GUARDS


class TariffsConfig(AppConfig):
    name = "tariffs"
    verbose_name = "Tariffs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register_guards(GUARDS)
