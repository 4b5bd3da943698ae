"""The payment provider protocol, spoken to Stripe: cards are saved on its hosted page, charged off-session.

One payment or hold is one PaymentIntent, which carries our idempotency key in its metadata. Card data never touches us.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import stripe

from billing.providers.base import (
    CaptureRequest,
    CardDetails,
    CustomerRequest,
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
from billing.providers.stripe.amounts import from_stripe, money_of, to_stripe
from billing.providers.stripe.client import new_client, translated_errors
from billing.providers.stripe.declines import decline_class

KEY = "idempotency_key"
_STATES = {
    "canceled": PaymentState.CANCELLED,
    "processing": PaymentState.PENDING,
    "requires_action": PaymentState.REQUIRES_ACTION,
    "requires_capture": PaymentState.HELD,
    "requires_confirmation": PaymentState.PENDING,
    # Nothing is confirmed without a card, so a payment in want of one was declined.
    "requires_payment_method": PaymentState.DECLINED,
    "succeeded": PaymentState.SUCCEEDED,
}
_REFUND_STATES = {
    "canceled": PaymentState.CANCELLED,
    "failed": PaymentState.DECLINED,
    "pending": PaymentState.PENDING,
    "requires_action": PaymentState.PENDING,
    "succeeded": PaymentState.SUCCEEDED,
}
_SETUP_STATES = {"complete": SetupState.SUCCEEDED, "expired": SetupState.DECLINED}
_WITH_CHARGE = ["latest_charge"]
MOST_REFUNDS = 100


class StripeProvider:
    name = "stripe"

    def __init__(self, http_client: stripe.HTTPClient | None = None) -> None:
        self._stripe = new_client(http_client).v1

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
        card = _card(page.setup_intent)
        state = _SETUP_STATES.get(page.status or "", SetupState.OPEN)
        return SetupResult(
            reference=page.id,
            # The page is complete before a bank that asks for patience has agreed to the card.
            state=SetupState.OPEN if state is SetupState.SUCCEEDED and card is None else state,
            customer=_reference(page.customer),
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
        return _result(made)

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
            return _result(self._retrieve(intent.id))
        try:
            with translated_errors():
                waiting = self._stripe.payment_intents.confirm(
                    intent.id,
                    {"payment_method": request.method, "return_url": request.return_url, "expand": _WITH_CHARGE},
                    {"idempotency_key": f"{request.idempotency_key}:on_session"},
                )
        except stripe.CardError:
            return _result(self._retrieve(intent.id))
        return _result(waiting)

    @outside_transactions
    def capture(self, request: CaptureRequest) -> ProviderResult:
        amount, _ = to_stripe(request.amount)
        with translated_errors():
            taken = self._stripe.payment_intents.capture(
                request.reference,
                {"amount_to_capture": amount, "expand": _WITH_CHARGE},
                {"idempotency_key": request.idempotency_key},
            )
        return _result(taken)

    @outside_transactions
    def release(self, *, idempotency_key: str, reference: str) -> ProviderResult:
        try:
            with translated_errors():
                released = self._stripe.payment_intents.cancel(
                    reference, {"expand": _WITH_CHARGE}, {"idempotency_key": idempotency_key}
                )
        except RequestRefused:
            # It is finished already, one way or the other, or unknown: reading it tells which.
            return _result(self._retrieve(reference))
        return _result(released)

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
        return _refund_result(made)

    @outside_transactions
    def fetch_refund(
        self, *, idempotency_key: str = "", payment_reference: str = "", reference: str = ""
    ) -> RefundResult | None:
        with translated_errors():
            if reference:
                return _refund_result(self._stripe.refunds.retrieve(reference))
            made = self._stripe.refunds.list({"payment_intent": payment_reference, "limit": MOST_REFUNDS})
            found = (refund for refund in made.auto_paging_iter() if _key_of(refund) == idempotency_key)
            refund = next(found, None)
        return None if refund is None else _refund_result(refund)

    @outside_transactions
    def fetch(self, *, idempotency_key: str, reference: str = "") -> ProviderResult | None:
        """Stripe's search lags by up to a minute: a payment it does not find yet is safe to send again under its key,
        which Stripe remembers for a day at least.
        """
        if reference:
            return _result(self._retrieve(reference))
        quoted = idempotency_key.replace("\\", "\\\\").replace("'", "\\'")
        with translated_errors():
            found = self._stripe.payment_intents.search(
                {"query": f"metadata['{KEY}']:'{quoted}'", "limit": 1, "expand": ["data.latest_charge"]}
            )
        return _result(found.data[0]) if found.data else None

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> ProviderNotice:
        webhooks.verify(body, headers)
        return webhooks.read(body)

    def _retrieve(self, reference: str) -> stripe.PaymentIntent:
        with translated_errors():
            return self._stripe.payment_intents.retrieve(reference, {"expand": _WITH_CHARGE})


def _result(intent: stripe.PaymentIntent) -> ProviderResult:
    state = _STATES[intent.status]
    amount, captured = money_of(intent)
    code = _decline_code(intent) if state is PaymentState.DECLINED else ""
    return ProviderResult(
        reference=intent.id,
        idempotency_key=_key_of(intent),
        state=state,
        amount=amount,
        captured=captured,
        decline_class=decline_class(code) if state is PaymentState.DECLINED else None,
        decline_code=code,
        action_url=_action_url(intent) if state is PaymentState.REQUIRES_ACTION else "",
        expires_at=_hold_expiry(intent) if state is PaymentState.HELD else None,
    )


def _refund_result(refund: stripe.Refund) -> RefundResult:
    return RefundResult(
        reference=refund.id,
        payment_reference=_reference(refund.payment_intent),
        idempotency_key=_key_of(refund),
        state=_REFUND_STATES[refund.status or "pending"],
        amount=from_stripe(refund.amount, refund.currency),
        failure_code=getattr(refund, "failure_reason", None) or "",
    )


def _key_of(made: stripe.PaymentIntent | stripe.Refund) -> str:
    """Our key; empty for what somebody made on Stripe's own pages."""
    metadata: Any = made.metadata
    return str(metadata[KEY]) if metadata and KEY in metadata else ""


def _decline_code(intent: stripe.PaymentIntent) -> str:
    error = intent.last_payment_error
    if error is None:
        return ""
    return str(getattr(error, "decline_code", "") or error.code or "")


def _action_url(intent: stripe.PaymentIntent) -> str:
    """Raises ProviderUnavailable when the bank's page is not there (yet): the sweep asks again."""
    action = intent.next_action
    redirect = action.redirect_to_url if action is not None and action.type == "redirect_to_url" else None
    if redirect is None or not redirect.url:
        raise ProviderUnavailable
    return redirect.url


def _hold_expiry(intent: stripe.PaymentIntent) -> datetime | None:
    charge: Any = intent.latest_charge
    card = charge.payment_method_details.card if charge is not None and not isinstance(charge, str) else None
    until = getattr(card, "capture_before", None)
    return None if until is None else datetime.fromtimestamp(until, UTC)


def _card(setup: Any) -> CardDetails | None:
    if setup is None or isinstance(setup, str) or setup.status != "succeeded":
        return None
    method = setup.payment_method
    return CardDetails(
        reference=method.id,
        brand=method.card.brand,
        last4=method.card.last4,
        expires_on=_last_day(method.card.exp_year, method.card.exp_month),
    )


def _last_day(year: int, month: int) -> date:
    """A card is good for all of the month it names."""
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def _reference(thing: Any) -> str:
    """An object's reference, whether Stripe sent the object or only that."""
    return "" if thing is None else thing if isinstance(thing, str) else thing.id
