"""What switching the credit mechanism of a contract type does to the balances of its customers, in sentences."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import ContractType
from billing.selectors.wallets import balances_under
from common.portal_values import show_amount

WalletUse = ContractType.WalletUse


def wallet_use_intro(contract_type: ContractType) -> str:
    """How it stands now."""
    if contract_type.wallet_use == WalletUse.ONLY:
        return _("Customers of this type pay from their wallet alone. To change that, move them to another type.")
    if contract_type.wallet_use == WalletUse.DRAW_FIRST:
        return _("A balance is drawn first now; what it does not cover goes to the card.")
    return _("The wallet is not used now. Balances stay visible and are kept.")


def wallet_use_sentences(contract_type: ContractType) -> list[str]:
    """What the switch to the other use does."""
    held = balances_under(contract_type)
    values = {
        "type": contract_type,
        "count": held.with_balance,
        "balance": show_amount(held.total, contract_type.currency),
    }
    if contract_type.wallet_use == WalletUse.DRAW_FIRST:
        sentences = [
            _("Sessions that begin from now on under “%(type)s” no longer draw the wallet.") % values,
            ngettext(
                "%(balance)s in %(count)s wallet is frozen: kept to the cent, in view of the driver and of you, and "
                "not drawn. Switched on again, it is drawn as before.",
                "%(balance)s in %(count)s wallets is frozen: kept to the cent, in view of the drivers and of you, and "
                "not drawn. Switched on again, it is drawn as before.",
                held.with_balance,
            )
            % values,
        ]
        if held.without_card:
            sentences.append(
                ngettext(
                    "%(count)s driver with a balance has no card and cannot charge until one is saved.",
                    "%(count)s drivers with a balance have no card and cannot charge until one is saved.",
                    held.without_card,
                )
                % {"count": held.without_card}
            )
    else:
        sentences = [
            _("Sessions that begin from now on under “%(type)s” draw the wallet first; the card pays the rest.")
            % values,
            ngettext(
                "%(balance)s in %(count)s wallet is drawn from then on.",
                "%(balance)s in %(count)s wallets is drawn from then on.",
                held.with_balance,
            )
            % values,
            _("Drivers see their balance but cannot top up; operators can, one by one and many at once."),
        ]
    return [*sentences, _("Running sessions finish as they began.")]
