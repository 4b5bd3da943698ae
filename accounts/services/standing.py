"""Drivers are blocked and unblocked."""

from django.db import transaction

from accounts.models import Driver
from accounts.services import audit
from common.locking import lock_row
from common.states import check_step


@transaction.atomic
def set_driver_status(*, driver_id: int, status: str, actor_id: int | None = None, reason: str = "") -> Driver:
    """Block, unblock or close a driver; a repeat changes nothing. A running session goes on to its end.

    Locks: the driver's row. Raises InvalidTransition for a closed driver.
    """
    driver = lock_row(Driver.objects.filter(pk=driver_id))
    if check_step(Driver.TRANSITIONS, driver.status, status):
        driver.status = status
        driver.save(update_fields=["status"])
        audit.record(actor_id=actor_id, action=f"driver_{status}", subject=driver, reason=reason)
    return driver
