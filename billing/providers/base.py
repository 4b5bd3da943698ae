"""What we ask of a payment provider, in our words. Adapters translate; services know nothing else of it.

Every request that moves money or makes something carries an idempotency key that names the business event: the same
key with the same terms is answered as it was the first time, with other terms it raises IdempotencyMismatch. Every call
may raise ProviderUnavailable, and then nobody knows whether it took effect. Amounts are Money, quantised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from django.db import transaction
from djmoney.money import Money

P = ParamSpec("P")
R = TypeVar("R")
Item = TypeVar("Item")


class PaymentState(StrEnum):
    """Where a payment stands at the provider now."""

    SUCCEEDED = "succeeded"
    REQUIRES_ACTION = "requires_action"
    DECLINED = "declined"
    PENDING = "pending"
    HELD = "held"
    CANCELLED = "cancelled"


class Decline(StrEnum):
    """What a decline means for the next attempt; the provider's own code stands beside it."""

    SOFT = "soft"
    HARD = "hard"
    SCA = "sca"
    PROVIDER = "provider"


class SetupState(StrEnum):
    OPEN = "open"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"


class Subject(StrEnum):
    """What a webhook is about."""

    PAYMENT = "payment"
    SETUP = "setup"
    REFUND = "refund"
    DISPUTE = "dispute"
    OTHER = "other"


class DisputeState(StrEnum):
    """Where a dispute stands at the provider now. An inquiry takes no money; it may become a dispute."""

    INQUIRY = "inquiry"
    INQUIRY_CLOSED = "inquiry_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    idempotency_key: str
    client_reference: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class CustomerUpdate:
    """What a person known to the provider as `reference` is called and written to from now on."""

    idempotency_key: str
    reference: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """`client_reference` is our name of the person; it comes back with the card, so that nobody adopts another's.

    `notice` is what the page says the card is for, where it is not for charging it later.
    """

    idempotency_key: str
    customer: str
    client_reference: str
    return_url: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class SetupPage:
    reference: str
    url: str


@dataclass(frozen=True, slots=True)
class CardDetails:
    """All we may know of a card. `expires_on` is the last day it is good for."""

    reference: str
    brand: str
    last4: str
    expires_on: date


@dataclass(frozen=True, slots=True)
class SetupResult:
    reference: str
    state: SetupState
    customer: str
    client_reference: str
    card: CardDetails | None


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """A charge off-session, or a hold: the cardholder is not there; `return_url` is used if the bank wants them."""

    idempotency_key: str
    customer: str
    method: str
    amount: Money
    description: str
    return_url: str


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    idempotency_key: str
    reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class RefundRequest:
    idempotency_key: str
    reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class ProviderResult:
    """A payment or hold as the provider tells it. `idempotency_key` is the one it was made with.

    `amount` is what was asked for, `captured` what was taken. `decline_class` and `decline_code` are empty unless
    declined, `action_url` unless the bank wants the driver; `expires_at` is a hold's own deadline.
    """

    reference: str
    idempotency_key: str
    state: PaymentState
    amount: Money
    captured: Money
    decline_class: Decline | None = None
    decline_code: str = ""
    action_url: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundResult:
    """A refund as the provider tells it: succeeded, pending, declined (it failed) or cancelled.

    `idempotency_key` is the one it was made with. Even one that succeeded may fail later, when the receiving bank sends
    it back; `failure_code` is the provider's own.
    """

    reference: str
    payment_reference: str
    idempotency_key: str
    state: PaymentState
    amount: Money
    failure_code: str = ""


@dataclass(frozen=True, slots=True)
class DisputeResult:
    """A dispute as the provider tells it: a cardholder has asked the bank for a payment's money back.

    `amount` is what is disputed. `withdrawn` was taken from us meanwhile with the `fee`; `reinstated` and
    `fee_returned` came back of that. `reason` is the provider's own code.
    """

    reference: str
    payment_reference: str
    state: DisputeState
    amount: Money
    reason: str
    opened_at: datetime
    withdrawn: Money
    fee: Money
    reinstated: Money
    fee_returned: Money
    evidence_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a listing, and where the next one begins; an empty `cursor` ends it."""

    items: Sequence[Item]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What was made at the provider from `since` on and before `until`, from where `cursor` says."""

    since: datetime
    until: datetime
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class ProviderNotice:
    """A verified webhook: something happened to `reference`. It is a hint to look, never the truth itself."""

    event_id: str
    kind: str
    subject: Subject
    reference: str
    payload: dict[str, Any]


class PaymentProvider(Protocol):
    """Adapters decorate every method that talks to the provider with `outside_transactions`."""

    name: str

    def least_charge(self, currency: str) -> Decimal:
        """The least a card is charged in this currency; zero where nothing is too little. Asks nobody."""

    def customer(self, request: CustomerRequest) -> str:
        """The provider's reference of a person."""

    def update_customer(self, update: CustomerUpdate) -> None:
        """Tell the provider a person's new name and address."""

    def start_setup(self, request: SetupRequest) -> SetupPage:
        """A page of the provider's where the person saves a card, and comes back to `return_url`?setup=<reference>."""

    def fetch_setup(self, reference: str) -> SetupResult:
        """Read a setup again. Raises RequestRefused for an unknown one."""

    def forget_method(self, reference: str) -> None:
        """Delete a saved card; unknown or deleted already is fine."""

    def charge(self, request: PaymentRequest) -> ProviderResult:
        """Take the amount now: succeeded, declined, requires_action or pending."""

    def hold(self, request: PaymentRequest) -> ProviderResult:
        """Reserve the amount: held, declined or requires_action. The provider lets go at `expires_at`."""

    def capture(self, request: CaptureRequest) -> ProviderResult:
        """Take at most the held amount, once; the rest is let go at once. Raises RequestRefused beyond that."""

    def release(self, *, idempotency_key: str, reference: str) -> ProviderResult:
        """Cancel what has not been taken yet (a hold, a payment waiting for its cardholder).

        Answers with the state it is in now: `succeeded` when it was too late.
        """

    def refund(self, request: RefundRequest) -> RefundResult:
        """Give back at most what was captured and not given back yet. Raises RequestRefused beyond that."""

    def fetch_refund(
        self, *, idempotency_key: str = "", payment_reference: str = "", reference: str = ""
    ) -> RefundResult | None:
        """Read a refund again, by its reference, or by the payment it gave back of and the key it was made with.

        None: it never arrived.
        """

    def fetch(self, *, idempotency_key: str, reference: str = "") -> ProviderResult | None:
        """Read a payment or hold again, by reference or by the key it was made with; None: it never arrived."""

    def fetch_dispute(self, reference: str) -> DisputeResult | None:
        """Read a dispute again; None: there is no such dispute."""

    def list_payments(self, listing: Listing) -> Page[ProviderResult]:
        """Payments and holds, ours or not, in any order."""

    def list_refunds(self, listing: Listing) -> Page[RefundResult]:
        """Refunds, ours or not, in any order."""

    def list_disputes(self, listing: Listing) -> Page[DisputeResult]:
        """Disputes of whatever payments, in any order."""

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> ProviderNotice:
        """Verify the signature over the raw body, then read it. Raises SignatureInvalid, WebhookMalformed."""


def outside_transactions(call: Callable[P, R]) -> Callable[P, R]:
    """Refuse (RuntimeError) to call a provider while a database transaction is open: no lock outlives a remote call.

    An empty durable block is Django's own way to say so; it lets the transaction pass that wraps a TestCase.
    """

    @wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic(durable=True):
            pass
        return call(*args, **kwargs)

    return guarded
