"""Reading contracts."""

from datetime import datetime

from django.db.models import Q

from accounts.errors import NoContract
from accounts.models import Contract


def contract_in_force(driver_id: int, at: datetime) -> Contract:
    """The driver's one contract at `at`, with its type and customer groups loaded. Raises NoContract."""
    contract = (
        Contract.objects.filter(driver_id=driver_id, starts_at__lte=at)
        .filter(Q(ends_at__isnull=True) | Q(ends_at__gt=at))
        .select_related("contract_type__customer_group", "driver__customer_group")
        .first()
    )
    if contract is None:
        raise NoContract
    return contract
