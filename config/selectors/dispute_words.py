"""Disputes in words for an operator."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import Dispute
from common.formats import money_words

Status = Dispute.Status

# Stripe's codes, which the fake provider uses too.
_REASONS = {
    "bank_cannot_process": gettext_lazy("the bank cannot process it"),
    "credit_not_processed": gettext_lazy("a refund was promised and did not come"),
    "customer_initiated": gettext_lazy("the cardholder asked for it"),
    "debit_not_authorized": gettext_lazy("the cardholder did not agree to it"),
    "duplicate": gettext_lazy("charged twice"),
    "fraudulent": gettext_lazy("the cardholder does not know it"),
    "general": gettext_lazy("no particular reason"),
    "incorrect_account_details": gettext_lazy("wrong account details"),
    "insufficient_funds": gettext_lazy("not enough money in the account"),
    "product_not_received": gettext_lazy("nothing was delivered"),
    "product_unacceptable": gettext_lazy("not as promised"),
    "subscription_canceled": gettext_lazy("charged after a cancellation"),
    "unrecognized": gettext_lazy("the cardholder does not recognise it"),
}
_PROBLEMS = {
    "another_currency": gettext_lazy("It is in another currency than the payment."),
    "payment_not_paid": gettext_lazy("Its payment is not known to have succeeded."),
    "other_money_withdrawn": gettext_lazy("The provider says now that it withdrew another amount than was posted."),
    "other_money_reinstated": gettext_lazy("The provider says now that it gave back another amount than was posted."),
}


def reason_words(code: str) -> str:
    """Why the cardholder disputes; a code without words of its own is shown as it is."""
    return str(_REASONS.get(code, code.replace("_", " ")))


def outcome_words(dispute: Dispute) -> list[str]:
    """What a dispute has moved so far, in sentences, and what could not be booked."""
    currency = dispute.payment.currency
    sentences = []
    if dispute.withdrawn:
        sentences.append(
            _("The provider withdrew %(amount)s and a fee of %(fee)s.")
            % {"amount": money_words(dispute.withdrawn, currency), "fee": money_words(dispute.fee, currency)}
        )
    else:
        sentences.append(_("Nothing was withdrawn."))
    if dispute.reinstated:
        sentences.append(_("%(amount)s came back.") % {"amount": money_words(dispute.reinstated, currency)})
    if dispute.loss_id is not None:
        left = money_words(dispute.withdrawn - dispute.reinstated, currency)
        words = (
            _("The customer owes %(left)s again.") if dispute.lost_as == "receivable" else _("%(left)s is our loss.")
        )
        sentences.append(words % {"left": left})
    if dispute.problem:
        sentences.append(str(_PROBLEMS.get(dispute.problem, dispute.problem)))
        sentences.append(_("It is not booked; look at it at the provider."))
    return sentences
