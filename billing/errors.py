"""Refusals of the ledger and the wallet. Each sentence tells the person what to do.

VoltledgerError
├── Refused
│   ├── InsufficientFunds     the wallet has less than is asked for, reserved money counted out
│   ├── CurrencyMismatch      money of another currency than the account's
│   ├── ReasonMissing         an operator moves money and does not say why
│   ├── SelfTopUpNotOffered   the contract type does not let drivers top up
│   ├── TopUpOutOfRange       less or more than may be topped up at once
│   ├── AutoTopUpNotOffered   the contract type does not offer automatic top-up
│   ├── TopUpUnderWay         another top-up of the driver is not decided yet
│   ├── NoUsableCard          the driver has no card, or this one cannot be charged
│   ├── WalletInUse           a session still draws on the wallet
│   ├── NothingToPayOut       the wallet is empty
│   ├── NothingToRefund       the session was not billed, or all of it is refunded
│   ├── RefundTooLarge        more than is left of the session or of one of its legs
│   ├── AdjustmentTooLarge    more than is owed beside the sessions
│   ├── PaymentDisputed       the bank has withdrawn this payment already
│   ├── LegUnderWay           a payment of this leg is being decided just now
│   ├── ExemptionOver         an exemption from the debt block that would be over already
│   ├── NotWrittenOff         a leg that is paid, being charged or given up already
│   ├── OwnApproval           somebody approves the price correction they made
│   ├── CorrectionsOverlap    another correction of the tariff for this time is not finished
│   ├── ReplayUnderWay        this version is being replayed just now
│   ├── NotReplayable         the version was withdrawn
│   ├── NobodyToMigrate       a contract migration without anybody who can move
│   ├── SameContractType      a contract migration from a type to itself
│   ├── UndoTooLate           the time in which a contract migration can be undone is over
│   ├── RefundNotFailed       only a card refund that failed is tried again or paid out by hand
│   ├── UnknownConnector      nobody knows a connector by this name
│   └── UnknownDriver         nobody has this e-mail address
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


class TopUpOutOfRange(Refused):
    code = "top_up_out_of_range"
    sentence = _("This amount cannot be topped up at once. Choose another one.")


class AutoTopUpNotOffered(Refused):
    code = "auto_top_up_not_offered"
    sentence = _("With this contract the wallet is not topped up automatically.")


class TopUpUnderWay(Refused):
    code = "top_up_under_way"
    sentence = _("Another top-up is not finished yet. Confirm or cancel it, or wait until it is decided.")


class NoUsableCard(Refused):
    code = "no_usable_card"
    sentence = _("There is no card this can be charged to. Add a card, or choose another one.")


class WalletInUse(Refused):
    code = "wallet_in_use"
    sentence = _("A session is running or not settled yet. Close the wallet when it is.")


class NothingToPayOut(Refused):
    code = "nothing_to_pay_out"
    sentence = _("The wallet is empty. There is nothing to give back.")


class NothingToRefund(Refused):
    code = "nothing_to_refund"
    sentence = _("There is nothing left of this session to refund.")


class RefundTooLarge(Refused):
    code = "refund_too_large"
    sentence = _("This is more than is left to refund. Choose a smaller amount.")


class AdjustmentTooLarge(Refused):
    code = "adjustment_too_large"


class PaymentDisputed(Refused):
    code = "payment_disputed"
    sentence = _(
        "The cardholder disputes this payment, and the bank has withdrawn the money already. Nothing was sent."
    )


class LegUnderWay(Refused):
    code = "leg_under_way"
    sentence = _("A payment of this session is being made just now. Wait until it is decided, then try again.")


class ExemptionOver(Refused):
    code = "exemption_over"
    sentence = _("This day has passed. Choose a later one.")


class NotWrittenOff(Refused):
    code = "not_written_off"
    sentence = _("Only what is unpaid and not being charged just now can be written off.")


class RefundNotFailed(Refused):
    code = "refund_not_failed"
    sentence = _("This refund has not failed, or it was already taken up again.")


class UnknownConnector(Refused):
    code = "unknown_connector"
    sentence = _(
        "No connector is known by this name. Give the code on its label, or the charge point and the connector's "
        "number, such as CP-1/2."
    )


class UnknownDriver(Refused):
    code = "unknown_driver"
    sentence = _("No driver has this e-mail address.")


class OwnApproval(Refused):
    code = "own_approval"
    sentence = _("A price correction is approved by somebody else than the person who made it.")


class CorrectionsOverlap(Refused):
    code = "corrections_overlap"
    sentence = _("Another correction of this tariff for this time is not finished. Apply or reject it first.")


class ReplayUnderWay(Refused):
    code = "replay_under_way"
    sentence = _("This version is being replayed just now. Wait until that is done, or cancel it.")


class NotReplayable(Refused):
    code = "not_replayable"
    sentence = _("This version was withdrawn. Choose a draft or a published one.")


class NobodyToMigrate(Refused):
    code = "nobody_to_migrate"
    sentence = _("Nobody would move. Choose other customers, or another contract type.")


class SameContractType(Refused):
    code = "same_contract_type"
    sentence = _("The customers have this contract type already. Choose another one to move them to.")


class UndoTooLate(Refused):
    code = "undo_too_late"
    sentence = _("The time in which this could be undone is over. Move the customers back with a new migration.")


class MeterImplausible(Refused):
    code = "meter_implausible"
    sentence = _("The connector cannot have delivered that much energy in that time. Check the registers and times.")


class MeterRunsBackwards(Refused):
    code = "meter_runs_backwards"
    sentence = _("The final register is below the first one. Enter both as the meter showed them.")


class TimesOutOfOrder(Refused):
    code = "times_out_of_order"
    sentence = _("Charging ends after it begins, the vehicle leaves after that, and both are past. Check the times.")


class NotOneStay(Refused):
    code = "not_one_stay"
    sentence = _(
        "These sessions are not two halves of one stay: they must wait for a decision, be of one connector and one "
        "customer, and the second must begin where the first one's time and register end."
    )
