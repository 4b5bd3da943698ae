from django.apps import AppConfig


class OcppGatewayConfig(AppConfig):
    name = "ocpp_gateway"
    verbose_name = "Charge point gateway"
    default_auto_field = "django.db.models.BigAutoField"
