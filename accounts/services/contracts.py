"""Contracts begin, end and follow one another."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from accounts.errors import ContractNotPossible
from accounts.models import Contract, ContractType, Driver
from accounts.services import audit
from common import clock
from common.locking import lock_row


@transaction.atomic
def change_contract(
    *,
    driver_id: int,
    contract_type_id: int,
    at: datetime | None = None,
    actor_id: int | None = None,
    reason: str = "",
) -> Contract:
    """Put a driver on a contract type from `at` (default: now) on, ending the contract in force then.

    Wallet, holds, debt and running sessions are untouched: the balance stays with the driver and a running session
    finishes on the contract it began with. The same type as in force is a no-op that returns the present contract.
    Locks: the driver's row. Raises ContractNotPossible when a contract begins at or after `at`.
    """
    driver = lock_row(Driver.objects.filter(pk=driver_id))
    moment = at or clock.now()
    contract_type = ContractType.objects.get(pk=contract_type_id)
    if Contract.objects.filter(driver=driver, starts_at__gte=moment).exists():
        raise ContractNotPossible
    present = (
        Contract.objects.filter(driver=driver, starts_at__lt=moment)
        .filter(Q(ends_at__isnull=True) | Q(ends_at__gt=moment))
        .select_related("contract_type")
        .first()
    )
    if present is not None:
        if present.contract_type_id == contract_type.pk:
            return present
        present.ends_at = moment
        present.save(update_fields=["ends_at"])
    contract = Contract.objects.create(driver=driver, contract_type=contract_type, starts_at=moment)
    audit.record(
        actor_id=actor_id,
        action="contract_changed",
        subject=driver,
        reason=reason,
        data={"from": present.contract_type.code if present else None, "to": contract_type.code},
    )
    return contract
