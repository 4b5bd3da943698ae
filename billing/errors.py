"""Refusals of the ledger and the wallet. Each sentence tells the person what to do.

VoltledgerError
├── Refused
│   ├── InsufficientFunds     the wallet has less than is asked for, reserved money counted out
│   ├── CurrencyMismatch      money of another currency than the account's
│   ├── ReasonMissing         an operator moves money and does not say why
│   └── SelfTopUpNotOffered   the contract type does not let drivers top up
└── IdempotencyConflict       (common.errors) the same key with other terms
"""

from django.utils.translation import gettext_lazy as _

from common.errors import Refused


class InsufficientFunds(Refused):
    code = "insufficient_funds"
    sentence = _("There is not enough money in the wallet. Choose a smaller amount, or top it up first.")


class CurrencyMismatch(Refused):
    code = "currency_mismatch"
    sentence = _("This wallet is kept in another currency. Use the wallet's own currency.")


class ReasonMissing(Refused):
    code = "reason_missing"
    sentence = _("Say why the balance changes. The reason is kept with the entry.")


class SelfTopUpNotOffered(Refused):
    code = "self_topup_not_offered"
    sentence = _("With this contract the wallet cannot be topped up here. Customer service can add money for you.")
