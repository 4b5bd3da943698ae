"""What a contract type decides is changed for everybody who has it."""

from django.db import transaction

from accounts.errors import WalletUseNotPossible
from accounts.models import ContractType
from accounts.services import audit
from common.locking import lock_row

WalletUse = ContractType.WalletUse


@transaction.atomic
def set_wallet_use(
    *, contract_type_id: int, wallet_use: str, actor_id: int | None = None, reason: str = ""
) -> ContractType:
    """Switch the credit mechanism of a contract type on (`draw_first`) or off (`none`), for sessions that begin later.

    No balance changes: switched off it is frozen, switched on it is drawn again. A repeat changes nothing.
    Locks: the ContractType. Raises WalletUseNotPossible for a wallet type, which has nothing else to pay with.
    """
    contract_type = lock_row(ContractType.objects.filter(pk=contract_type_id))
    if WalletUse.ONLY in (contract_type.wallet_use, wallet_use):
        raise WalletUseNotPossible
    before = contract_type.wallet_use
    if before != wallet_use:
        contract_type.wallet_use = wallet_use
        contract_type.save(update_fields=["wallet_use"])
        audit.record(
            actor_id=actor_id,
            action="wallet_use_changed",
            subject=contract_type,
            reason=reason,
            data={"from": before, "to": wallet_use},
        )
    return contract_type
