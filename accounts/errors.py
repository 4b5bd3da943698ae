"""Refusals of the accounts app; each sentence tells the person what to do."""

from django.utils.translation import gettext_lazy as _

from common.errors import Refused


class NoContract(Refused):
    code = "no_contract"
    sentence = _("There is no contract in force. Ask customer service to set one up.")


class ContractNotPossible(Refused):
    code = "contract_not_possible"
    sentence = _("The contract cannot start at that moment. Choose a moment after the present contract began.")


class DriverBlocked(Refused):
    code = "driver_blocked"
    sentence = _("This customer account is blocked. Please contact customer service.")


class TokenTaken(Refused):
    code = "token_taken"
    sentence = _("This card already belongs to a customer. Block it there first.")
