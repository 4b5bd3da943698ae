"""What notices that a wallet may run low asks for a look at it; billing.services.auto_top_ups decides."""

from datetime import datetime

from django_q.tasks import async_task

from billing.models import AutoTopUp


def ask_for_auto_top_up(driver_id: int | None, at: datetime) -> None:
    """Queue a look at a wallet, where its driver's plan could do something; in the caller's transaction."""
    if driver_id is None:
        return
    plans = AutoTopUp.objects.filter(driver_id=driver_id, status=AutoTopUp.Status.ON).exclude(next_attempt_at__gt=at)
    if plans.exists():
        async_task("billing.payment_tasks.auto_top_up", driver_id)
