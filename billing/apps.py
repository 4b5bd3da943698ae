from django.apps import AppConfig

from billing import checks  # noqa: F401 (registers them)
from billing.guards import GUARDS
from common.guards import register_guards


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models can be imported only now.
        from billing.services.letters import register_letters

        register_guards(GUARDS)
        register_letters()
