"""A driver keeps the own particulars up to date."""

from collections.abc import Mapping

from django.db import transaction

from accounts.models import Driver
from accounts.services import audit
from common.locking import lock_row

OWN_FIELDS = (
    "name", "phone", "address", "postal_code", "city", "country", "language", "wants_receipts_by_mail",
    "wants_notices_by_mail",
)  # fmt: skip


@transaction.atomic
def change_profile(*, driver_id: int, values: Mapping[str, str | bool], actor_id: int | None = None) -> Driver:
    """Write the particulars a driver may change (`OWN_FIELDS`); documents already issued keep what they say.

    Nothing new is a no-op. What is recorded is which fields changed, not their content. Locks: the driver's row.
    Raises KeyError for any other field.
    """
    driver = lock_row(Driver.objects.filter(pk=driver_id))
    strangers = set(values) - set(OWN_FIELDS)
    if strangers:
        raise KeyError(*sorted(strangers))
    changed = [name for name, value in values.items() if getattr(driver, name) != value]
    if changed:
        for name in changed:
            setattr(driver, name, values[name])
        driver.save(update_fields=changed)
        audit.record(actor_id=actor_id, action="profile_changed", subject=driver, data={"fields": sorted(changed)})
    return driver
