"""Writing and pruning the message log."""

from collections.abc import Sequence
from datetime import datetime

from ocpp_gateway.models import OcppMessage

# Rows of one DELETE: short enough not to hold up the stations' inserts.
_PRUNE_AT_ONCE = 5_000


def store_messages(*, messages: Sequence[OcppMessage]) -> None:
    """Append frames in one statement. Secrets are masked by whoever made the rows (domain.masking)."""
    OcppMessage.objects.bulk_create(messages, batch_size=500)


def prune_messages(*, before: datetime) -> int:
    """Delete frames older than `before`, in batches, each its own transaction; returns how many. Safe to repeat."""
    pruned = 0
    while True:
        batch = list(
            OcppMessage.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:_PRUNE_AT_ONCE]
        )
        if not batch:
            return pruned
        deleted, _ = OcppMessage.objects.filter(pk__in=batch).delete()
        pruned += deleted
