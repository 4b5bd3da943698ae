"""The payment provider protocol, spoken to Stripe: cards are saved on its hosted page, charged off-session.

One payment or hold is one PaymentIntent, which carries our idempotency key in its metadata. Card data never touches us.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import stripe

from billing.providers.base import (
    CaptureRequest,
    CustomerRequest,
    CustomerUpdate,
    DisputeResult,
    Listing,
    Page,
    PaymentRequest,
    PaymentState,
    ProviderNotice,
    ProviderResult,
    RefundRequest,
    RefundResult,
    SetupPage,
    SetupRequest,
    SetupResult,
    SetupState,
    outside_transactions,
)
from billing.providers.errors import ProviderUnavailable, RequestRefused
from billing.providers.stripe import webhooks
from billing.providers.stripe.amounts import LEAST_CHARGE, from_stripe, to_stripe
from billing.providers.stripe.client import new_client, translated_errors
from billing.providers.stripe.declines import decline_class
from billing.providers.stripe.reading import (
    KEY,
    SETUP_STATES,
    STATES,
    card_of,
    dispute_of,
    key_of,
    payment_of,
    reference_of,
    refund_of,
)

_WITH_CHARGE = ["latest_charge"]
MOST_REFUNDS = 100
# As many as Stripe lists at once.
PAGE = 100


class StripeProvider:
    name = "stripe"

    def __init__(self, http_client: stripe.HTTPClient | None = None) -> None:
        self._stripe = new_client(http_client).v1

    def least_charge(self, currency: str) -> Decimal:
        return LEAST_CHARGE.get(currency, Decimal(0))

    @outside_transactions
    def customer(self, request: CustomerRequest) -> str:
        with translated_errors():
            made = self._stripe.customers.create(
                {
                    "name": request.name,
                    "email": request.email,
                    "metadata": {"client_reference": request.client_reference},
                },
                {"idempotency_key": request.idempotency_key},
            )
        return made.id

    @outside_transactions
    def update_customer(self, update: CustomerUpdate) -> None:
        with translated_errors():
            self._stripe.customers.update(
                update.reference,
                {"name": update.name, "email": update.email},
                {"idempotency_key": update.idempotency_key},
            )

    @outside_transactions
    def start_setup(self, request: SetupRequest) -> SetupPage:
        with translated_errors():
            page = self._stripe.checkout.sessions.create(
                {
                    "mode": "setup",
                    "customer": request.customer,
                    "client_reference_id": request.client_reference,
                    "payment_method_types": ["card"],
                    # The braces are Stripe's: it puts the reference there.
                    "success_url": f"{request.return_url}?setup={{CHECKOUT_SESSION_ID}}",
                    "cancel_url": f"{request.return_url}?setup={{CHECKOUT_SESSION_ID}}",
                    **({"custom_text": {"submit": {"message": request.notice}}} if request.notice else {}),
                },
                {"idempotency_key": request.idempotency_key},
            )
        if page.url is None:
            raise ProviderUnavailable
        return SetupPage(page.id, page.url)

    @outside_transactions
    def fetch_setup(self, reference: str) -> SetupResult:
        with translated_errors():
            page = self._stripe.checkout.sessions.retrieve(reference, {"expand": ["setup_intent.payment_method"]})
        if page.mode != "setup":
            raise RequestRefused
        card = card_of(page.setup_intent)
        state = SETUP_STATES.get(page.status or "", SetupState.OPEN)
        return SetupResult(
            reference=page.id,
            # The page is complete before a bank that asks for patience has agreed to the card.
            state=SetupState.OPEN if state is SetupState.SUCCEEDED and card is None else state,
            customer=reference_of(page.customer),
            client_reference=page.client_reference_id or "",
            card=card,
        )

    @outside_transactions
    def forget_method(self, reference: str) -> None:
        try:
            with translated_errors():
                self._stripe.payment_methods.detach(reference)
        except RequestRefused:
            return

    @outside_transactions
    def charge(self, request: PaymentRequest) -> ProviderResult:
        return self._pay(request, capture_method="automatic")

    @outside_transactions
    def hold(self, request: PaymentRequest) -> ProviderResult:
        return self._pay(request, capture_method="manual")

    def _pay(self, request: PaymentRequest, *, capture_method: Any) -> ProviderResult:
        amount, currency = to_stripe(request.amount)
        try:
            with translated_errors():
                made = self._stripe.payment_intents.create(
                    {
                        "amount": amount,
                        "currency": currency,
                        "customer": request.customer,
                        "payment_method": request.method,
                        "payment_method_types": ["card"],
                        "capture_method": capture_method,
                        "confirm": True,
                        "off_session": True,
                        "description": request.description,
                        "metadata": {KEY: request.idempotency_key},
                        "expand": _WITH_CHARGE,
                    },
                    {"idempotency_key": request.idempotency_key},
                )
        except stripe.CardError as error:
            return self._declined(request, error)
        return payment_of(made)

    def _declined(self, request: PaymentRequest, error: stripe.CardError) -> ProviderResult:
        """A bank that wants the cardholder is asked for its page; any other decline is the answer."""
        intent = error.error.payment_intent if error.error else None
        if intent is None:
            return ProviderResult(
                reference="",
                idempotency_key=request.idempotency_key,
                state=PaymentState.DECLINED,
                amount=request.amount,
                captured=from_stripe(0, str(request.amount.currency)),
                decline_class=decline_class(error.code or ""),
                decline_code=error.code or "",
            )
        if error.code != "authentication_required":
            return payment_of(self._retrieve(intent.id))
        try:
            with translated_errors():
                waiting = self._stripe.payment_intents.confirm(
                    intent.id,
                    {"payment_method": request.method, "return_url": request.return_url, "expand": _WITH_CHARGE},
                    {"idempotency_key": f"{request.idempotency_key}:on_session"},
                )
        except stripe.CardError:
            return payment_of(self._retrieve(intent.id))
        return payment_of(waiting)

    @outside_transactions
    def capture(self, request: CaptureRequest) -> ProviderResult:
        amount, _ = to_stripe(request.amount)
        with translated_errors():
            taken = self._stripe.payment_intents.capture(
                request.reference,
                {"amount_to_capture": amount, "expand": _WITH_CHARGE},
                {"idempotency_key": request.idempotency_key},
            )
        return payment_of(taken)

    @outside_transactions
    def release(self, *, idempotency_key: str, reference: str) -> ProviderResult:
        try:
            with translated_errors():
                released = self._stripe.payment_intents.cancel(
                    reference, {"expand": _WITH_CHARGE}, {"idempotency_key": idempotency_key}
                )
        except RequestRefused:
            # It is finished already, one way or the other, or unknown: reading it tells which.
            return payment_of(self._retrieve(reference))
        return payment_of(released)

    @outside_transactions
    def refund(self, request: RefundRequest) -> RefundResult:
        amount, _ = to_stripe(request.amount)
        with translated_errors():
            made = self._stripe.refunds.create(
                {
                    "payment_intent": request.reference,
                    "amount": amount,
                    "metadata": {KEY: request.idempotency_key},
                },
                {"idempotency_key": request.idempotency_key},
            )
        return refund_of(made)

    @outside_transactions
    def fetch_refund(
        self, *, idempotency_key: str = "", payment_reference: str = "", reference: str = ""
    ) -> RefundResult | None:
        with translated_errors():
            if reference:
                return refund_of(self._stripe.refunds.retrieve(reference))
            made = self._stripe.refunds.list({"payment_intent": payment_reference, "limit": MOST_REFUNDS})
            found = (refund for refund in made.auto_paging_iter() if key_of(refund) == idempotency_key)
            refund = next(found, None)
        return None if refund is None else refund_of(refund)

    @outside_transactions
    def fetch(self, *, idempotency_key: str, reference: str = "") -> ProviderResult | None:
        """Stripe's search lags by up to a minute: a payment it does not find yet is safe to send again under its key,
        which Stripe remembers for a day at least.
        """
        if reference:
            return payment_of(self._retrieve(reference))
        quoted = idempotency_key.replace("\\", "\\\\").replace("'", "\\'")
        with translated_errors():
            found = self._stripe.payment_intents.search(
                {"query": f"metadata['{KEY}']:'{quoted}'", "limit": 1, "expand": ["data.latest_charge"]}
            )
        return payment_of(found.data[0]) if found.data else None

    @outside_transactions
    def fetch_dispute(self, reference: str) -> DisputeResult | None:
        with translated_errors():
            return dispute_of(self._stripe.disputes.retrieve(reference))

    @outside_transactions
    def list_payments(self, listing: Listing) -> Page[ProviderResult]:
        with translated_errors():
            found = self._stripe.payment_intents.list({**_span(listing), "expand": ["data.latest_charge"]})
        known = [payment_of(intent, is_listed=True) for intent in found.data if intent.status in STATES]
        return Page(known, _next(found))

    @outside_transactions
    def list_refunds(self, listing: Listing) -> Page[RefundResult]:
        with translated_errors():
            found = self._stripe.refunds.list(_span(listing))
        return Page([refund_of(refund) for refund in found.data], _next(found))

    @outside_transactions
    def list_disputes(self, listing: Listing) -> Page[DisputeResult]:
        with translated_errors():
            found = self._stripe.disputes.list(_span(listing))
        return Page([dispute_of(dispute) for dispute in found.data], _next(found))

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> ProviderNotice:
        webhooks.verify(body, headers)
        return webhooks.read(body)

    def _retrieve(self, reference: str) -> stripe.PaymentIntent:
        with translated_errors():
            return self._stripe.payment_intents.retrieve(reference, {"expand": _WITH_CHARGE})


def _span(listing: Listing) -> Any:
    """Stripe counts whole seconds."""
    created = {"gte": math.floor(listing.since.timestamp()), "lt": math.ceil(listing.until.timestamp())}
    span: dict[str, Any] = {"created": created, "limit": PAGE}
    return {**span, "starting_after": listing.cursor} if listing.cursor else span


def _next(found: Any) -> str:
    return str(found.data[-1].id) if found.has_more and found.data else ""
