"""What the gateway does when billing has news for a charge point."""

from typing import Any

from django.dispatch import receiver
from django_q.tasks import async_task

from billing.signals import hold_decided


@receiver(hold_decided)
def queue_hold_follow_up(session_id: int, **_signal: Any) -> None:
    """In billing's transaction, so that the task exists exactly when the decision does."""
    async_task("ocpp_gateway.tasks.follow_hold", session_id)
