"""`manage.py reconcile_payments --from DATE --to DATE [--provider NAME]`: compares our books with the provider's."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.models import Discrepancy
from billing.providers.errors import ProviderError
from billing.services.reconciliation import reconcile


class Command(BaseCommand):
    help = (
        "Compares charges, holds, refunds and disputes of a span of time with what the payment provider lists, both "
        "ways. What differs becomes a piece of work in the operator portal; no money is moved. The same command "
        "goes on with a comparison that was interrupted. Exits with 1 when something differs or the provider does not "
        "answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="since", required=True, help="first moment, ISO 8601, UTC unless it says")
        parser.add_argument("--to", dest="until", required=True, help="moment after the last, at most an hour ago")
        parser.add_argument("--provider", help="its name; the one in use when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = _moment(options["since"]), _moment(options["until"])
        try:
            run = reconcile(since=since, until=until, provider=options["provider"])
        except ProviderError as error:
            raise CommandError(
                f"{error.message} What was compared is kept; run the same command again.", returncode=1
            ) from error
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        found = Discrepancy.objects.filter(found_by=run)
        self.stdout.write(f"{run}: {run.checked} compared, {run.found} differ.")
        for row in found.filter(status=Discrepancy.Status.OPEN).order_by("pk"):
            self.stdout.write(f"  {row.get_kind_display()}: {row.get_subject_display()} {row.reference}")
        if run.found:
            raise CommandError("Decide about them in the operator portal.", returncode=1)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"“{text}” is no ISO 8601 moment.", returncode=2) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
