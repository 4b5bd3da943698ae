"""The test cards and what each does. No other number is accepted."""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.providers.base import Decline


class OnSave(StrEnum):
    """What happens when the card is saved on the hosted page."""

    ACCEPT = "accept"
    CONFIRM = "confirm"
    DECLINE = "decline"


class OnCharge(StrEnum):
    """What happens when a saved card is charged."""

    SUCCEED = "succeed"
    DECLINE = "decline"
    CONFIRM = "confirm"
    PENDING = "pending"
    LOSE_ANSWER = "lose_answer"


class OnRefund(StrEnum):
    """What happens when a payment of the card is given back."""

    SUCCEED = "succeed"
    PENDING = "pending"
    RETURN = "return"
    LOSE_ANSWER = "lose_answer"


@dataclass(frozen=True, slots=True)
class TestCard:
    """`name` is what the fake remembers instead of the number."""

    __test__ = False

    name: str
    number: str
    brand: str
    effect: Promise
    on_save: OnSave = OnSave.ACCEPT
    on_charge: OnCharge = OnCharge.SUCCEED
    decline_class: Decline | None = None
    decline_code: str = ""
    on_refund: OnRefund = OnRefund.SUCCEED
    # Its cardholder disputes every charge at once, as fraudulent.
    is_disputed: bool = False

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def grouped_number(self) -> str:
        return " ".join(self.number[start : start + 4] for start in range(0, len(self.number), 4))


def _declining(name: str, number: str, decline_class: Decline, code: str, effect: Promise) -> TestCard:
    return TestCard(
        name, number, "visa", effect, on_charge=OnCharge.DECLINE, decline_class=decline_class, decline_code=code
    )


# The numbers and codes drivers and testers know from Stripe's list of test cards, where it has one for the case.
TEST_CARDS: tuple[TestCard, ...] = (
    TestCard("visa", "4242424242424242", "visa", _("Every payment succeeds.")),
    TestCard("mastercard", "5555555555554444", "mastercard", _("Every payment succeeds.")),
    _declining(
        "insufficient_funds",
        "4000000000009995",
        Decline.SOFT,
        "insufficient_funds",
        _("Saved; every charge is declined for insufficient funds, and tried again later."),
    ),
    _declining(
        "generic_decline",
        "4000000000000341",
        Decline.SOFT,
        "generic_decline",
        _("Saved; every charge is declined without a reason, and tried again later."),
    ),
    _declining(
        "processing_error",
        "4000000000000119",
        Decline.PROVIDER,
        "processing_error",
        _("Saved; every charge fails by an error at the bank, and is tried again later."),
    ),
    _declining(
        "lost_card",
        "4000000000009987",
        Decline.HARD,
        "lost_card",
        _("Saved; reported lost when it is charged. It is not used again."),
    ),
    _declining(
        "stolen_card",
        "4000000000009979",
        Decline.HARD,
        "stolen_card",
        _("Saved; reported stolen when it is charged. It is not used again."),
    ),
    _declining(
        "expired_card",
        "4000000000000069",
        Decline.HARD,
        "expired_card",
        _("Saved; expired when it is charged. It is not used again."),
    ),
    TestCard(
        "confirm_each",
        "4000002760003184",
        "visa",
        _("Saved; the bank wants every payment confirmed by the driver."),
        on_charge=OnCharge.CONFIRM,
    ),
    TestCard(
        "confirm_once",
        "4000002500003155",
        "visa",
        _("The bank wants a confirmation to save it; then every payment succeeds."),
        on_save=OnSave.CONFIRM,
    ),
    TestCard(
        "refused_at_once",
        "4000000000000002",
        "visa",
        _("Declined on this page; it is not saved."),
        on_save=OnSave.DECLINE,
        decline_class=Decline.SOFT,
        decline_code="generic_decline",
    ),
    TestCard(
        "answered_later",
        "4000000000000077",
        "visa",
        _("Saved; the outcome of a charge comes later, by webhook."),
        on_charge=OnCharge.PENDING,
    ),
    TestCard(
        "answer_lost",
        "4000000000006975",
        "visa",
        _("Saved; a charge succeeds but the answer to it is lost on the way."),
        on_charge=OnCharge.LOSE_ANSWER,
        on_refund=OnRefund.LOSE_ANSWER,
    ),
    TestCard(
        "refund_later",
        "4000000000007726",
        "visa",
        _("Saved; every payment succeeds. A refund is on its way for a while, then succeeds."),
        on_refund=OnRefund.PENDING,
    ),
    TestCard(
        "refund_returned",
        "4000000000005126",
        "visa",
        _("Saved; every payment succeeds. A refund succeeds at first, then comes back."),
        on_refund=OnRefund.RETURN,
    ),
    TestCard(
        "disputed",
        "4000000000000259",
        "visa",
        _("Saved; every payment succeeds and is disputed as fraudulent at once."),
        is_disputed=True,
    ),
)

_BY_NUMBER = {card.number: card for card in TEST_CARDS}
_BY_NAME = {card.name: card for card in TEST_CARDS}


def find_by_number(number: str) -> TestCard | None:
    """The test card with this number, blanks and dashes ignored."""
    return _BY_NUMBER.get("".join(character for character in number if character not in " -"))


def card_named(name: str) -> TestCard:
    return _BY_NAME[name]
