from django.apps import AppConfig

from common.guards import register_guards
from ocpp_gateway.guards import GUARDS


class OcppGatewayConfig(AppConfig):
    name = "ocpp_gateway"
    verbose_name = "Charge point gateway"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register_guards(GUARDS)
