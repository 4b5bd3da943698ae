from django.apps import AppConfig

from common.guards import register_guards
from invoicing.guards import GUARDS


class InvoicingConfig(AppConfig):
    name = "invoicing"
    verbose_name = "Documents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models can be imported only now.
        from billing.services.books import register_check
        from billing.services.mails import Kind, register_writer
        from invoicing.selectors.book_checks import CHECKS
        from invoicing.services.letters import receipt

        register_guards(GUARDS)
        for name, sentence, run in CHECKS:
            register_check(name, sentence, run)
        register_writer(Kind.RECEIPT, receipt)
