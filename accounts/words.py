"""What a contract type means, in sentences an operator can check."""

from django.utils.translation import gettext as _

from accounts.models import ContractType
from common.formats import money_words

_PAYS = {
    ContractType.BillingModel.POSTPAID: lambda: _("Each session is charged to the driver's card when it has ended."),
    ContractType.BillingModel.PREAUTH: lambda: _(
        "An amount is held on the driver's card before each session; what was used is taken, the rest is released."
    ),
    ContractType.BillingModel.WALLET: lambda: _(
        "Sessions are paid from the wallet alone and stop before the balance is used up."
    ),
    ContractType.BillingModel.SUBSCRIPTION_ONLY: lambda: _("Sessions are paid by the driver's subscription alone."),
    ContractType.BillingModel.OPEN_ACCESS: lambda: _("Sessions are free for the driver; the operator bears the cost."),
}


def contract_sentences(contract_type: ContractType) -> list[str]:
    """One sentence per thing the type decides, in the order a session meets them; last, who gets it."""
    sentences = terms_sentences(contract_type)
    if contract_type.is_default_for_sign_up:
        sentences.append(_("People who sign up on the site get this contract."))
    return sentences


def terms_sentences(contract_type: ContractType) -> list[str]:
    """What a driver's contract of this type says."""
    sentences = [_PAYS[ContractType.BillingModel(contract_type.billing_model)]()]
    is_wallet = contract_type.billing_model == ContractType.BillingModel.WALLET
    if contract_type.wallet_use == ContractType.WalletUse.DRAW_FIRST:
        sentences.append(_("A wallet balance is used up first; what it does not cover goes to the card."))
        sentences.append(_("The driver sees the balance but cannot top up; operators can."))
    elif contract_type.wallet_use == ContractType.WalletUse.NONE:
        sentences.append(_("The wallet is not used. A balance stays visible and is kept."))
    if is_wallet:
        sentences.append(
            _("The driver may top up by card.")
            if contract_type.self_topup
            else _("The driver cannot top up; operators can.")
        )
    if contract_type.auto_topup:
        sentences.append(_("The driver may switch on automatic top-up."))
    if contract_type.min_balance_to_start:
        amount = money_words(contract_type.min_balance_to_start, contract_type.currency)
        sentences.append(_("A session starts only with at least %(amount)s in the wallet.") % {"amount": amount})
    if contract_type.wallet_use != ContractType.WalletUse.NONE:
        sentences.append(
            _("The wallet pays for sessions and fees.")
            if contract_type.eligible == ContractType.Eligible.SESSIONS_AND_FEES
            else _("The wallet pays for sessions, not for fees.")
        )
    sentences.append(
        _("The driver gets one invoice a month.")
        if contract_type.invoicing == ContractType.Invoicing.MONTHLY
        else _("The driver gets a receipt for each session.")
    )
    if contract_type.customer_group:
        sentences.append(
            _("Prices are those of the customer group “%(group)s”.") % {"group": contract_type.customer_group}
        )
    return sentences
