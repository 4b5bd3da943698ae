"""The fake provider's service: what a remote one would do behind its API, with a memory of its own.

Every function is one transaction of the provider's, never part of ours. References look like `fake_card_…`. What the
`data` of each kind holds stands at the function that makes it.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.models import FakeProviderObject
from billing.providers.base import Decline, PaymentState, SetupState
from billing.providers.errors import IdempotencyMismatch, ProviderUnavailable, RequestRefused
from billing.providers.fake import disputes, post
from billing.providers.fake.cards import OnCharge, OnRefund, OnSave, TestCard, card_named
from common import clock
from common.ids import new_code
from common.locking import lock_row

Kind = FakeProviderObject.Kind
HOLD_LASTS = timedelta(days=7)
SETUP_LASTS = timedelta(hours=24)
PENDING_LASTS = timedelta(seconds=30)


def check_reachable() -> None:
    """Raises ProviderUnavailable during an outage."""
    if FakeProviderObject.objects.filter(kind=Kind.OUTAGE).exists():
        raise ProviderUnavailable


@transaction.atomic
def set_outage(is_down: bool) -> None:
    """Take the provider down, or bring it back. While down it answers nothing and does nothing."""
    FakeProviderObject.objects.filter(kind=Kind.OUTAGE).delete()
    if is_down:
        FakeProviderObject.objects.create(kind=Kind.OUTAGE, reference="fake_outage", state="down")


def _remember(
    kind: str, *, key: str | None, request: dict[str, Any], make: Callable[[], tuple[str, dict[str, Any]]]
) -> tuple[FakeProviderObject, bool]:
    """The object this key made before, or a new one in the state and with the data `make` returns.

    `make` runs inside the insert's savepoint and only when the key is new. Raises IdempotencyMismatch when the key made
    something from another request.
    """
    request_hash = hashlib.sha256(json.dumps([kind, request], sort_keys=True).encode()).hexdigest()
    known = FakeProviderObject.objects.filter(idempotency_key=key).first() if key else None
    created = False
    if known is None:
        state, data = make()
        values = {
            "kind": kind,
            "reference": f"fake_{kind}_{new_code(16).lower()}",
            "request_hash": request_hash,
            "state": state,
            "data": data,
            "first_answer": {"state": state, **data},
        }
        if key is None:
            return FakeProviderObject.objects.create(**values), True
        # Two requests with one key at once: the database lets one in, the other reads what it made.
        known, created = FakeProviderObject.objects.get_or_create(idempotency_key=key, defaults=values)
    if known.request_hash != request_hash:
        raise IdempotencyMismatch
    return known, created


def find(kind: str, reference: str) -> FakeProviderObject:
    """Raises RequestRefused when there is no such thing."""
    found = FakeProviderObject.objects.filter(kind=kind, reference=reference).first()
    if found is None:
        raise RequestRefused(f"The payment provider knows no {kind} “{reference}”.")
    return found


def _lock(kind: str, reference: str) -> FakeProviderObject:
    find(kind, reference)
    return lock_row(FakeProviderObject.objects.filter(kind=kind, reference=reference))


def _save(thing: FakeProviderObject, state: str, **data: Any) -> None:
    thing.state = state
    thing.data = {**thing.data, **data}
    thing.save(update_fields=["state", "data"])


# --- Customers and saved cards ------------------------------------------------------------------------------------
@transaction.atomic
def make_customer(*, key: str, client_reference: str, name: str = "", email: str = "") -> FakeProviderObject:
    """data: client_reference, name, email, updates (key -> name and email it brought)."""
    request = {"client_reference": client_reference, "name": name, "email": email}
    return _remember(Kind.CUSTOMER, key=key, request=request, make=lambda: ("active", {**request, "updates": {}}))[0]


@transaction.atomic
def change_customer(*, key: str, reference: str, name: str, email: str) -> None:
    """A replay of a change changes nothing, whatever came after it. Raises IdempotencyMismatch, RequestRefused."""
    customer = _lock(Kind.CUSTOMER, reference)
    updates, told = customer.data.get("updates", {}), [name, email]
    if key in updates:
        if updates[key] != told:
            raise IdempotencyMismatch
        return
    _save(customer, customer.state, name=name, email=email, updates={**updates, key: told})


@transaction.atomic
def open_setup(
    *, key: str, customer: str, client_reference: str, return_url: str, notice: str = ""
) -> FakeProviderObject:
    """data: customer, client_reference, return_url, notice, expires_at; later card, test_card (its name)."""
    find(Kind.CUSTOMER, customer)
    request = {
        "customer": customer,
        "client_reference": client_reference,
        "return_url": return_url,
        "notice": notice,
    }
    expires_at = (clock.now() + SETUP_LASTS).isoformat()
    return _remember(
        Kind.SETUP, key=key, request=request, make=lambda: (SetupState.OPEN, {**request, "expires_at": expires_at})
    )[0]


def is_setup_open(setup: FakeProviderObject) -> bool:
    return setup.state == SetupState.OPEN and datetime.fromisoformat(setup.data["expires_at"]) > clock.now()


@transaction.atomic
def enter_card(*, setup_reference: str, card: TestCard, expires_on: date) -> OnSave:
    """The person has filled in the hosted page; says what becomes of it. Raises RequestRefused when it is not open."""
    setup = _lock(Kind.SETUP, setup_reference)
    if not is_setup_open(setup):
        raise RequestRefused("This page was used already or is too old.")
    if card.on_save is OnSave.DECLINE:
        return OnSave.DECLINE
    _save(setup, setup.state, test_card=card.name, expires_on=expires_on.isoformat())
    if card.on_save is OnSave.ACCEPT:
        _keep_card(setup)
    return card.on_save


@transaction.atomic
def confirm_setup(*, setup_reference: str, is_confirmed: bool) -> None:
    """The person has answered their bank's question; a repeat changes nothing."""
    setup = _lock(Kind.SETUP, setup_reference)
    if not is_setup_open(setup) or "test_card" not in setup.data:
        return
    if is_confirmed:
        _keep_card(setup)
    else:
        _save(setup, SetupState.DECLINED)
        post.announce("setup.declined", subject="setup", reference=setup.reference)


def _keep_card(setup: FakeProviderObject) -> None:
    """data of a card: customer, test_card (what it does), brand, last4, expires_on. The number is not among them."""
    card = card_named(setup.data["test_card"])
    data = {
        "customer": setup.data["customer"],
        "test_card": card.name,
        "brand": card.brand,
        "last4": card.last4,
        "expires_on": setup.data["expires_on"],
    }
    kept, _created = _remember(Kind.CARD, key=f"{setup.reference}:card", request={}, make=lambda: ("active", data))
    _save(setup, SetupState.SUCCEEDED, card=kept.reference)
    post.announce("setup.succeeded", subject="setup", reference=setup.reference)


@transaction.atomic
def change_card(*, card_reference: str, test_card: str) -> None:
    """Make a saved card behave as another test card from now on: money arrived, the card was reported stolen ..."""
    _save(_lock(Kind.CARD, card_reference), "active", test_card=card_named(test_card).name)


@transaction.atomic
def forget_card(*, card_reference: str) -> None:
    for card in FakeProviderObject.objects.filter(kind=Kind.CARD, reference=card_reference):
        _save(card, "deleted")


# --- Payments and holds -------------------------------------------------------------------------------------------
@transaction.atomic
def make_payment(
    *, key: str, customer: str, card: str, amount: Decimal, currency: str, return_url: str, is_hold: bool
) -> tuple[FakeProviderObject, bool]:
    """Charge or hold; says whether the answer reaches whoever asked. A replay is told the first answer, always.

    data: customer, card, amount, currency, is_hold, return_url, captured, refunded (amounts as strings), expires_at (of
    a hold), decline_class, decline_code, is_confirmed.
    """
    request = {
        "customer": customer,
        "card": card,
        "amount": str(amount),
        "currency": currency,
        "is_hold": is_hold,
        "return_url": return_url,
    }

    def make() -> tuple[str, dict[str, Any]]:
        state, outcome = _authorise(find(Kind.CARD, card), customer, amount, is_hold=is_hold, is_confirmed=False)
        return state, {**request, "captured": "0", "refunded": "0", **outcome}

    payment, created = _remember(Kind.PAYMENT, key=key, request=request, make=make)
    if created:
        _announce_payment(payment)
        if payment.state == PaymentState.SUCCEEDED and card_named(find(Kind.CARD, card).data["test_card"]).is_disputed:
            disputes.withdraw_funds(disputes.open_dispute(payment_reference=payment.reference).reference)
    behaviour = card_named(find(Kind.CARD, card).data["test_card"]).on_charge
    return payment, not (created and behaviour is OnCharge.LOSE_ANSWER)


def _authorise(
    card: FakeProviderObject, customer: str, amount: Decimal, *, is_hold: bool, is_confirmed: bool
) -> tuple[str, dict[str, Any]]:
    """What the cardholder's bank says: the payment's state and what belongs to it."""
    behaviour = card_named(card.data["test_card"])
    if card.state != "active" or card.data["customer"] != customer:
        return _declined(Decline.HARD, "card_unknown")
    if date.fromisoformat(card.data["expires_on"]) < clock.now().date():
        return _declined(Decline.HARD, "expired_card")
    if behaviour.on_charge is OnCharge.DECLINE and behaviour.decline_class is not None:
        return _declined(behaviour.decline_class, behaviour.decline_code)
    if behaviour.on_charge is OnCharge.CONFIRM and not is_confirmed:
        return PaymentState.REQUIRES_ACTION, {}
    if behaviour.on_charge is OnCharge.PENDING and not is_hold:
        return PaymentState.PENDING, {}
    if is_hold:
        return PaymentState.HELD, {"expires_at": (clock.now() + HOLD_LASTS).isoformat()}
    return PaymentState.SUCCEEDED, {"captured": str(amount)}


def _declined(decline_class: Decline, decline_code: str) -> tuple[str, dict[str, Any]]:
    return PaymentState.DECLINED, {"decline_class": decline_class, "decline_code": decline_code}


def _announce_payment(payment: FakeProviderObject) -> None:
    post.announce(f"payment.{payment.state}", subject="payment", reference=payment.reference)


@transaction.atomic
def find_payment(*, key: str, reference: str) -> FakeProviderObject | None:
    """The payment as it stands, with what time alone has made of it: a hold expires, a pending payment succeeds."""
    payments = FakeProviderObject.objects.filter(kind=Kind.PAYMENT)
    payment = payments.filter(reference=reference) if reference else payments.filter(idempotency_key=key)
    found = payment.first()
    if found is None:
        return None
    current = _expire_if_over(_lock(Kind.PAYMENT, found.reference))
    if current.state == PaymentState.PENDING and current.created_at + PENDING_LASTS <= clock.now():
        return finish_pending(payment_reference=current.reference, is_success=True)
    return current


def _expire_if_over(payment: FakeProviderObject) -> FakeProviderObject:
    if payment.state == PaymentState.HELD and datetime.fromisoformat(payment.data["expires_at"]) <= clock.now():
        _save(payment, PaymentState.CANCELLED)
        _announce_payment(payment)
    return payment


@transaction.atomic
def answer_bank(*, payment_reference: str, is_confirmed: bool) -> FakeProviderObject:
    """The driver confirms a payment at their bank, or refuses to; a repeat changes nothing."""
    payment = _lock(Kind.PAYMENT, payment_reference)
    if payment.state != PaymentState.REQUIRES_ACTION:
        return payment
    if is_confirmed:
        state, outcome = _authorise(
            find(Kind.CARD, payment.data["card"]),
            payment.data["customer"],
            Decimal(payment.data["amount"]),
            is_hold=payment.data["is_hold"],
            is_confirmed=True,
        )
    else:
        state, outcome = _declined(Decline.SCA, "authentication_failed")
    _save(payment, state, is_confirmed=is_confirmed, **outcome)
    _announce_payment(payment)
    return payment


@transaction.atomic
def finish_pending(*, payment_reference: str, is_success: bool) -> FakeProviderObject:
    """The outcome of a pending payment has come in; one that is not pending stays as it is."""
    payment = _lock(Kind.PAYMENT, payment_reference)
    if payment.state == PaymentState.PENDING:
        if is_success:
            _save(payment, PaymentState.SUCCEEDED, captured=payment.data["amount"])
        else:
            state, outcome = _declined(Decline.SOFT, "generic_decline")
            _save(payment, state, **outcome)
        _announce_payment(payment)
    return payment


@transaction.atomic
def capture(*, key: str, reference: str, amount: Decimal) -> FakeProviderObject:
    """Take a hold's money once, at most what is held; what is left is let go."""
    payment = _expire_if_over(_lock(Kind.PAYMENT, reference))

    def make() -> tuple[str, dict[str, Any]]:
        if payment.state != PaymentState.HELD or not 0 < amount <= Decimal(payment.data["amount"]):
            raise RequestRefused(f"A hold in the state “{payment.state}” cannot be captured for {amount}.")
        return "done", {}

    request = {"reference": reference, "amount": str(amount)}
    if _remember(Kind.CAPTURE, key=key, request=request, make=make)[1]:
        _save(payment, PaymentState.SUCCEEDED, captured=str(amount))
        _announce_payment(payment)
    return payment


@transaction.atomic
def release(*, key: str, reference: str) -> FakeProviderObject:
    """Let go of a hold, or of a payment waiting for its cardholder; anything else stays as it is."""
    payment = _expire_if_over(_lock(Kind.PAYMENT, reference))
    is_new = _remember(Kind.RELEASE, key=key, request={"reference": reference}, make=lambda: ("done", {}))[1]
    if is_new and payment.state in (PaymentState.HELD, PaymentState.REQUIRES_ACTION):
        _save(payment, PaymentState.CANCELLED)
        _announce_payment(payment)
    return payment


@transaction.atomic
def refund(*, key: str, reference: str, amount: Decimal) -> tuple[FakeProviderObject, bool]:
    """Give money back, at most what was captured and is not given back yet; says whether the answer reaches us.

    data: payment, amount, currency, failure_code. A replay is told the first answer, always.
    """
    payment = _lock(Kind.PAYMENT, reference)
    behaviour = _on_refund(payment)

    def make() -> tuple[str, dict[str, Any]]:
        left = Decimal(payment.data["captured"]) - Decimal(payment.data["refunded"])
        if not 0 < amount <= left:
            raise RequestRefused(f"{amount} cannot be given back: {left} is left of this payment.")
        state = PaymentState.PENDING if behaviour is OnRefund.PENDING else PaymentState.SUCCEEDED
        return state, {"currency": payment.data["currency"], **request}

    request = {"payment": reference, "amount": str(amount)}
    made, is_new = _remember(Kind.REFUND, key=key, request=request, make=make)
    if is_new:
        _save(payment, payment.state, refunded=str(Decimal(payment.data["refunded"]) + amount))
        _announce_refund(made)
    return made, not (is_new and behaviour is OnRefund.LOSE_ANSWER)


def _on_refund(payment: FakeProviderObject) -> OnRefund:
    return card_named(find(Kind.CARD, payment.data["card"]).data["test_card"]).on_refund


def _announce_refund(made: FakeProviderObject) -> None:
    post.announce(f"refund.{made.state}", subject="refund", reference=made.reference)


@transaction.atomic
def find_refund(*, key: str, reference: str) -> FakeProviderObject | None:
    """The refund as it stands, with what time alone has made of it: one on its way arrives, or is sent back."""
    refunds = FakeProviderObject.objects.filter(kind=Kind.REFUND)
    found = (refunds.filter(reference=reference) if reference else refunds.filter(idempotency_key=key)).first()
    if found is None:
        return None
    if found.created_at + PENDING_LASTS <= clock.now():
        if found.state == PaymentState.PENDING:
            return finish_refund(refund_reference=found.reference, is_success=True)
        if found.state == PaymentState.SUCCEEDED and _on_refund(find(Kind.PAYMENT, found.data["payment"])) is (
            OnRefund.RETURN
        ):
            return finish_refund(refund_reference=found.reference, is_success=False)
    return found


@transaction.atomic
def finish_refund(*, refund_reference: str, is_success: bool) -> FakeProviderObject:
    """A refund has arrived, or the receiving bank has sent it back, even after it had arrived."""
    payment = _lock(Kind.PAYMENT, find(Kind.REFUND, refund_reference).data["payment"])
    made = _lock(Kind.REFUND, refund_reference)
    if is_success and made.state == PaymentState.PENDING:
        _save(made, PaymentState.SUCCEEDED)
        _announce_refund(made)
    elif not is_success and made.state in (PaymentState.PENDING, PaymentState.SUCCEEDED):
        _save(made, PaymentState.DECLINED, failure_code="expired_or_canceled_card")
        _save(
            payment,
            payment.state,
            refunded=str(Decimal(payment.data["refunded"]) - Decimal(made.data["amount"])),
        )
        _announce_refund(made)
    return made
