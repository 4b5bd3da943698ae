"""A contract as its driver reads it."""

from django.utils.translation import gettext as _

from accounts.models import ContractType
from common.formats import money_words

BillingModel = ContractType.BillingModel
WalletUse = ContractType.WalletUse


def contract_words(kind: ContractType) -> list[str]:
    """How sessions are paid under this type, one sentence per rule; the operator's own words go first."""
    words = [kind.plain_words] if kind.plain_words else [_how_it_is_paid(kind)]
    if kind.wallet_use == WalletUse.DRAW_FIRST:
        words.append(_("Money in your wallet is used first. What it does not cover is charged to your card."))
    if kind.min_balance_to_start > 0:
        words.append(
            _("To start you need at least %(amount)s in your wallet.")
            % {"amount": money_words(kind.min_balance_to_start, kind.currency)}
        )
    return words


def top_up_words(kind: ContractType | None) -> str:
    """Who may put money into the wallet; empty where the driver may."""
    if kind is not None and kind.self_topup:
        return ""
    return _("Your operator can add credit. You cannot top up on this contract.")


def _how_it_is_paid(kind: ContractType) -> str:
    return {
        BillingModel.POSTPAID: _("You charge first. Afterwards the session is charged to your card."),
        BillingModel.PREAUTH: _(
            "An amount is held on your card when you start. Only what you used is charged; the rest is released."
        ),
        BillingModel.WALLET: _("Sessions are paid from your wallet. A session stops before the wallet is empty."),
        BillingModel.SUBSCRIPTION_ONLY: _("Charging is part of your subscription."),
        BillingModel.OPEN_ACCESS: _("Charging is free for you. The operator pays."),
    }[BillingModel(kind.billing_model)]
