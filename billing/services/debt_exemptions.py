"""An operator lets a driver charge although something is unpaid, for a time and with a reason."""

from datetime import datetime

from django.db import transaction

from accounts.models import Driver
from accounts.services import audit
from billing.errors import ExemptionOver, ReasonMissing
from billing.models import DebtExemption
from billing.selectors.debts import exemptions_in_force
from common import clock
from common.errors import IdempotencyConflict
from common.locking import lock_row, lock_rows


@transaction.atomic
def grant_exemption(
    *, driver_id: int, until: datetime, reason: str, idempotency_key: str, actor_id: int | None
) -> DebtExemption:
    """Let a driver start sessions until `until` whatever is unpaid; the debt is collected as ever.

    Idempotent: the same key with the same terms returns the first one. Locks: the Driver. Raises ReasonMissing,
    ExemptionOver (`until` has passed), IdempotencyConflict.
    """
    if not reason.strip():
        raise ReasonMissing
    driver = lock_row(Driver.objects.filter(pk=driver_id), is_shareable=True)
    stored = DebtExemption.objects.filter(key=idempotency_key).first()
    if stored is not None:
        if (stored.driver_id, stored.reason) != (driver_id, reason[:200]):
            raise IdempotencyConflict
        return stored
    moment = clock.now()
    if until <= moment:
        raise ExemptionOver
    exemption = DebtExemption.objects.create(
        key=idempotency_key,
        driver=driver,
        reason=reason[:200],
        starts_at=moment,
        ends_at=until,
        granted_by_id=actor_id,
    )
    audit.record(
        actor_id=actor_id,
        action="debt_exemption_granted",
        subject=driver,
        reason=reason,
        data={"until": until.isoformat()},
    )
    return exemption


@transaction.atomic
def end_exemptions(*, driver_id: int, reason: str, actor_id: int | None) -> int:
    """End a driver's exemptions now; how many there were. A repeat ends none. Locks: the Driver, the DebtExemptions."""
    if not reason.strip():
        raise ReasonMissing
    driver = lock_row(Driver.objects.filter(pk=driver_id), is_shareable=True)
    moment = clock.now()
    exemptions = lock_rows(exemptions_in_force(driver_id, moment))
    for exemption in exemptions:
        exemption.ends_at = moment
        exemption.save(update_fields=["ends_at"])
    if exemptions:
        audit.record(actor_id=actor_id, action="debt_exemption_ended", subject=driver, reason=reason)
    return len(exemptions)
