"""The adapter our services see: the provider protocol, spoken to the fake bank."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.urls import reverse
from djmoney.money import Money

from billing.models import FakeProviderObject
from billing.providers.base import (
    CaptureRequest,
    CardDetails,
    CustomerRequest,
    CustomerUpdate,
    Decline,
    DisputeResult,
    DisputeState,
    Item,
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
from billing.providers.fake import bank, disputes, post

PAGE = 100


# As a real provider has them, for the currencies of the demo and the tests.
_LEAST_CHARGE = {"EUR": Decimal("0.50"), "CHF": Decimal("0.50"), "SEK": Decimal(3), "DKK": Decimal("2.50")}


class FakeProvider:
    name = "fake"

    def least_charge(self, currency: str) -> Decimal:
        return _LEAST_CHARGE.get(currency, Decimal(0))

    @outside_transactions
    def customer(self, request: CustomerRequest) -> str:
        bank.check_reachable()
        made = bank.make_customer(
            key=request.idempotency_key,
            client_reference=request.client_reference,
            name=request.name,
            email=request.email,
        )
        return made.reference

    @outside_transactions
    def update_customer(self, update: CustomerUpdate) -> None:
        bank.check_reachable()
        bank.change_customer(
            key=update.idempotency_key, reference=update.reference, name=update.name, email=update.email
        )

    @outside_transactions
    def start_setup(self, request: SetupRequest) -> SetupPage:
        bank.check_reachable()
        setup = bank.open_setup(
            key=request.idempotency_key,
            customer=request.customer,
            client_reference=request.client_reference,
            return_url=request.return_url,
            notice=request.notice,
        )
        # On the host the person came from, whatever this site calls itself.
        return SetupPage(setup.reference, urljoin(request.return_url, reverse("fake_setup", args=[setup.reference])))

    @outside_transactions
    def fetch_setup(self, reference: str) -> SetupResult:
        bank.check_reachable()
        setup = bank.find(FakeProviderObject.Kind.SETUP, reference)
        kept = bank.find(FakeProviderObject.Kind.CARD, setup.data["card"]) if "card" in setup.data else None
        return SetupResult(
            reference=setup.reference,
            state=SetupState(setup.state),
            customer=setup.data["customer"],
            client_reference=setup.data["client_reference"],
            card=None if kept is None else _card_details(kept),
        )

    @outside_transactions
    def forget_method(self, reference: str) -> None:
        bank.check_reachable()
        bank.forget_card(card_reference=reference)

    @outside_transactions
    def charge(self, request: PaymentRequest) -> ProviderResult:
        if request.amount.amount < self.least_charge(str(request.amount.currency)):
            raise RequestRefused(f"{request.amount} is less than a card is charged.")
        return self._pay(request, is_hold=False)

    @outside_transactions
    def hold(self, request: PaymentRequest) -> ProviderResult:
        return self._pay(request, is_hold=True)

    def _pay(self, request: PaymentRequest, *, is_hold: bool) -> ProviderResult:
        bank.check_reachable()
        payment, is_answered = bank.make_payment(
            key=request.idempotency_key,
            customer=request.customer,
            card=request.method,
            amount=request.amount.amount,
            currency=str(request.amount.currency),
            return_url=request.return_url,
            is_hold=is_hold,
        )
        if not is_answered:
            raise ProviderUnavailable
        return _result(payment, payment.first_answer)

    @outside_transactions
    def capture(self, request: CaptureRequest) -> ProviderResult:
        bank.check_reachable()
        return _present(
            bank.capture(key=request.idempotency_key, reference=request.reference, amount=request.amount.amount)
        )

    @outside_transactions
    def release(self, *, idempotency_key: str, reference: str) -> ProviderResult:
        bank.check_reachable()
        return _present(bank.release(key=idempotency_key, reference=reference))

    @outside_transactions
    def refund(self, request: RefundRequest) -> RefundResult:
        bank.check_reachable()
        made, is_answered = bank.refund(
            key=request.idempotency_key, reference=request.reference, amount=request.amount.amount
        )
        if not is_answered:
            raise ProviderUnavailable
        return _refund_result(made, made.first_answer)

    @outside_transactions
    def fetch_refund(
        self, *, idempotency_key: str = "", payment_reference: str = "", reference: str = ""
    ) -> RefundResult | None:
        bank.check_reachable()
        made = bank.find_refund(key=idempotency_key, reference=reference)
        return None if made is None else _refund_result(made, {"state": made.state, **made.data})

    @outside_transactions
    def fetch(self, *, idempotency_key: str, reference: str = "") -> ProviderResult | None:
        bank.check_reachable()
        payment = bank.find_payment(key=idempotency_key, reference=reference)
        return None if payment is None else _present(payment)

    @outside_transactions
    def fetch_dispute(self, reference: str) -> DisputeResult | None:
        bank.check_reachable()
        dispute = disputes.find_dispute(reference)
        return None if dispute is None else _dispute_result(dispute)

    @outside_transactions
    def list_payments(self, listing: Listing) -> Page[ProviderResult]:
        return _page(FakeProviderObject.Kind.PAYMENT, listing, _present)

    @outside_transactions
    def list_refunds(self, listing: Listing) -> Page[RefundResult]:
        return _page(
            FakeProviderObject.Kind.REFUND,
            listing,
            lambda made: _refund_result(made, {"state": made.state, **made.data}),
        )

    @outside_transactions
    def list_disputes(self, listing: Listing) -> Page[DisputeResult]:
        return _page(FakeProviderObject.Kind.DISPUTE, listing, _dispute_result)

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> ProviderNotice:
        post.verify(body, headers)
        return post.read(body)


def _page(kind: str, listing: Listing, told: Callable[[FakeProviderObject], Item]) -> Page[Item]:
    """At most PAGE of a kind made in a span of time, oldest first; the cursor is the last one's number."""
    bank.check_reachable()
    found = FakeProviderObject.objects.filter(
        kind=kind, created_at__gte=listing.since, created_at__lt=listing.until, pk__gt=int(listing.cursor or 0)
    ).order_by("pk")[:PAGE]
    rows = list(found)
    return Page([told(row) for row in rows], str(rows[-1].pk) if len(rows) == PAGE else "")


def _dispute_result(dispute: FakeProviderObject) -> DisputeResult:
    data = dispute.data

    def money(name: str) -> Money:
        return Money(Decimal(data[name]), data["currency"])

    return DisputeResult(
        reference=dispute.reference,
        payment_reference=data["payment"],
        state=DisputeState(dispute.state),
        amount=money("amount"),
        reason=data["reason"],
        opened_at=datetime.fromisoformat(data["opened_at"]),
        evidence_due_at=datetime.fromisoformat(data["evidence_due_at"]),
        withdrawn=money("withdrawn"),
        fee=money("fee"),
        reinstated=money("reinstated"),
        fee_returned=money("fee_returned"),
    )


def _card_details(card: FakeProviderObject) -> CardDetails:
    return CardDetails(
        reference=card.reference,
        brand=card.data["brand"],
        last4=card.data["last4"],
        expires_on=date.fromisoformat(card.data["expires_on"]),
    )


def _present(payment: FakeProviderObject) -> ProviderResult:
    return _result(payment, {"state": payment.state, **payment.data})


def _result(payment: FakeProviderObject, answer: dict[str, Any]) -> ProviderResult:
    state = PaymentState(answer["state"])
    currency = answer["currency"]
    return ProviderResult(
        reference=payment.reference,
        idempotency_key=payment.idempotency_key or "",
        state=state,
        amount=Money(Decimal(answer["amount"]), currency),
        captured=Money(Decimal(answer["captured"]), currency),
        decline_class=Decline(answer["decline_class"]) if state is PaymentState.DECLINED else None,
        decline_code=answer.get("decline_code", "") if state is PaymentState.DECLINED else "",
        action_url=_confirmation_page(payment) if state is PaymentState.REQUIRES_ACTION else "",
        expires_at=datetime.fromisoformat(answer["expires_at"]) if "expires_at" in answer else None,
    )


def _refund_result(made: FakeProviderObject, answer: dict[str, Any]) -> RefundResult:
    return RefundResult(
        reference=made.reference,
        payment_reference=answer["payment"],
        idempotency_key=made.idempotency_key or "",
        state=PaymentState(answer["state"]),
        amount=Money(Decimal(answer["amount"]), answer["currency"]),
        failure_code=answer.get("failure_code", ""),
    )


def _confirmation_page(payment: FakeProviderObject) -> str:
    return f"{settings.SITE_URL}{reverse('fake_confirm', args=[payment.reference])}"
