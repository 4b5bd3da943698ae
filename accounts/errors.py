"""Refusals of the accounts app; each sentence tells the person what to do."""

from django.utils.translation import gettext_lazy as _

from common.errors import IdempotencyConflict, Refused


class NoContract(Refused):
    code = "no_contract"
    sentence = _("There is no contract in force. Ask customer service to set one up.")


class ContractNotPossible(Refused):
    code = "contract_not_possible"
    sentence = _("The contract cannot start at that moment. Choose a moment after the present contract began.")


class WalletUseNotPossible(Refused):
    code = "wallet_use_not_possible"
    sentence = _(
        "Customers of a wallet type pay from their wallet alone. To change that, move them to another contract type."
    )


class DriverBlocked(Refused):
    code = "driver_blocked"
    sentence = _("This customer account is blocked. Please contact customer service.")


class TokenTaken(Refused):
    code = "token_taken"
    sentence = _("This card already belongs to a customer. Block it there first.")


class ApiKeyUnknown(Refused):
    code = "api_key_unknown"
    sentence = _("This API key is not known. Check that it was copied completely.")


class ApiKeyRevoked(Refused):
    code = "api_key_revoked"
    sentence = _("This API key was revoked. Ask the network's operator for a new one.")


class ApiKeyExpired(Refused):
    code = "api_key_expired"
    sentence = _("This API key is no longer valid. Ask the network's operator for a new one.")


class ApiKeyMadeAlready(Refused):
    code = "api_key_made_already"
    sentence = _("This form made its key already, and a key is shown only once. Open the form again for another one.")


class IdempotencyKeyReused(IdempotencyConflict):
    code = "idempotency_key_reused"
    sentence = _("This Idempotency-Key was used for another request. Use a new key for each new request.")
