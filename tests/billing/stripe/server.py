"""Stripe's end of the wire, in the process: what it was asked, and answers in the shapes its API reference prints."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe

CAPTURE_BEFORE = 1_795_000_000


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    form: dict[str, str]
    idempotency_key: str


class Server(stripe.HTTPClient):
    """Answers in the order they were put there; whatever is asked beyond that fails the test."""

    name = "in-process"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self._answers: list[tuple[int, dict[str, Any]] | Exception] = []

    def answers(self, *answers: tuple[int, dict[str, Any]] | dict[str, Any] | Exception) -> None:
        for answer in answers:
            self._answers.append((200, answer) if isinstance(answer, dict) else answer)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        address = urlsplit(url)
        self.asked.append(
            Asked(
                method=method,
                path=address.path,
                form=dict(parse_qsl(post_data or address.query, keep_blank_values=True)),
                idempotency_key=(headers or {}).get("Idempotency-Key", ""),
            )
        )
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return json.dumps(body), status, {"request-id": "req_1", "stripe-should-retry": "false"}

    def close(self) -> None:
        """Nothing to close."""


def intent(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """A PaymentIntent of 6.20 EUR."""
    return {
        "id": "pi_3Ada",
        "object": "payment_intent",
        "amount": 620,
        "amount_capturable": 620 if status == "requires_capture" else 0,
        "amount_received": 620 if status == "succeeded" else 0,
        "capture_method": "automatic",
        "currency": "eur",
        "customer": "cus_Ada",
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {"idempotency_key": "session:1:leg:1:attempt:1"},
        "next_action": None,
        "payment_method": "pm_1Ada",
        "status": status,
        **changes,
    }


def held(**changes: Any) -> dict[str, Any]:
    charge = {
        "id": "ch_3Ada",
        "object": "charge",
        "captured": False,
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "capture_before": CAPTURE_BEFORE}},
    }
    return intent("requires_capture", capture_method="manual", latest_charge=charge, **changes)


def waiting() -> dict[str, Any]:
    page = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.com/3ds", "return_url": "x"}}
    return intent("requires_action", next_action=page)


def declined_intent(code: str, decline_code: str | None = None) -> dict[str, Any]:
    error = {"type": "card_error", "code": code, "message": "Declined."}
    if decline_code:
        error["decline_code"] = decline_code
    return intent("requires_payment_method", last_payment_error=error)


def decline(code: str, decline_code: str | None = None) -> tuple[int, dict[str, Any]]:
    """The 402 a confirmation is answered with when the bank says no."""
    made = declined_intent(code, decline_code)
    return 402, {"error": {**made["last_payment_error"], "payment_intent": made}}


def refusal(code: str, message: str = "No such thing.", status: int = 400) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"type": "invalid_request_error", "code": code, "message": message}}


def refund(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    return {
        "id": "re_3Ada",
        "object": "refund",
        "amount": 200,
        "currency": "eur",
        "metadata": {"idempotency_key": "refund:1"},
        "payment_intent": "pi_3Ada",
        "status": status,
        **changes,
    }


def setup_page(status: str = "complete", setup_status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    method = {
        "id": "pm_1Ada",
        "object": "payment_method",
        "card": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2027},
    }
    return {
        "id": "cs_test_Ada",
        "object": "checkout.session",
        "client_reference_id": "driver-ada",
        "customer": "cus_Ada",
        "mode": "setup",
        "setup_intent": {"id": "seti_1", "object": "setup_intent", "status": setup_status, "payment_method": method},
        "status": status,
        "url": "https://checkout.stripe.com/c/pay/cs_test_Ada",
        **changes,
    }
