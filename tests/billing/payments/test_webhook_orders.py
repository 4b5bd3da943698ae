"""Every order of a session's webhooks, each as often as one likes, ends in the same state.

Six webhooks have 720 orders, and many more when each comes up to three times. They are not drawn but walked. What a
webhook does depends on the rows there are and on the provider, which does not move meanwhile, and not on which webhooks
came before: so from every state that is met (every column of every row; the clock stands still) each of the six is
delivered once, and where that leads is written down. On that map all orders and numbers are walked without the
database. Savepoints take back what was delivered.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import models, transaction

from billing.models import (
    ChargingSession,
    Dispute,
    FakeProviderObject,
    FundingLeg,
    Hold,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    PaymentMethod,
    Refund,
)
from billing.providers.fake import bank, disputes, post
from billing.providers.fake.cards import card_named
from billing.services import methods
from billing.services.books import assert_books
from billing.services.card_holds import place_card_hold
from billing.services.payments import claim_leg, collect_leg
from billing.services.provider_events import process_event, receive_event
from billing.services.refunds import refund_session
from billing.services.settlement import settle_session
from tests.billing.factories import EndedSessionFactory
from tests.billing.payments.held import SIX_TWENTY_WH, preauth_stand, started
from tests.billing.payments.test_webhooks import events
from tests.billing.payments.world import GOOD_UNTIL, RETURN_URL, owed_by, save_card
from tests.billing.refunds.world import billed_session
from tests.billing.sessions.conftest import NOON

pytestmark = pytest.mark.django_db

# Whose rows say how things stand. What a webhook's own row says of it may depend on who came first.
STANDING: tuple[type[models.Model], ...] = (
    ChargingSession,
    FundingLeg,
    Payment,
    Hold,
    Refund,
    Dispute,
    PaymentMethod,
)


@pytest.fixture(autouse=True)
def now() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def state() -> "State":
    """Every column of every row but for numbers the database gave, what was posted, and what the provider remembers."""
    rows = []
    for model in STANDING:
        names = [field.attname for field in model._meta.concrete_fields if not field.attname.endswith("id")]
        rows.append(sorted(repr(row) for row in model._default_manager.values_list(*names)))
    entries: dict[int, list[tuple[str, str, Decimal]]] = {}
    for transaction_id, *entry in LedgerEntry.objects.values_list("transaction_id", "account__key", "side", "amount"):
        entries.setdefault(transaction_id, []).append((entry[0], entry[1], entry[2]))
    posted = LedgerTransaction.objects.values_list("pk", "event", "idempotency_key", "content_hash")
    at_provider = FakeProviderObject.objects.exclude(kind="event").values_list("reference", "state", "data")
    remembered = tuple(sorted(map(repr, at_provider)))
    return (
        *map(tuple, rows),
        remembered,
        frozenset(Counter((*row, *sorted(entries[pk])) for pk, *row in posted).items()),
    )


def bring(event_reference: str) -> None:
    """Through our door, and the work on it."""
    body, headers = post.write_out(event_reference)
    process_event(event_id=receive_event(provider="fake", body=body, headers=headers).pk)


State = tuple[Any, ...]


def follow_up(webhooks: list[str]) -> tuple[State, dict[State, dict[str, State]]]:
    """The state before any webhook, and from every state met where each of the webhooks leads."""
    leads: dict[State, dict[str, State]] = {}

    def visit() -> State:
        here = state()
        if here in leads:
            return here
        leads[here] = {}
        for webhook in webhooks:
            before = transaction.savepoint()
            bring(webhook)
            leads[here][webhook] = visit()
            transaction.savepoint_rollback(before)
        return here

    return visit(), leads


def walk(webhooks: list[str]) -> int:
    """All orders and numbers of the webhooks leave one state, which is left standing; how many states were met.

    One that comes again is passed over, or worked on once more where the work on it was cut short.
    """
    start, leads = follow_up(webhooks)
    everything = frozenset(webhooks)
    met = {(start, frozenset[str]())}
    to_walk = list(met)
    while to_walk:
        here, came = to_walk.pop()
        for webhook in webhooks:
            reached = (leads[here][webhook], came | {webhook})
            if reached not in met:
                met.add(reached)
                to_walk.append(reached)
    (end,) = {here for here, came in met if came == everything}
    assert len({came for _here, came in met}) == 2 ** len(webhooks)
    for webhook in (*webhooks, *webhooks):
        bring(webhook)
    assert state() == end
    assert_books()
    return len(leads)


def test_a_charge_its_confirmation_a_new_card_and_a_lost_dispute() -> None:
    """Of all this we know only that a charge was about to be sent."""
    session = EndedSessionFactory()
    driver = session.driver
    method = save_card(driver, "confirm_each")
    leg = settle_session(session_id=session.pk).legs.get()
    payment = claim_leg(leg_id=leg.pk)
    asked, _is_answered = bank.make_payment(
        key=payment.idempotency_key,
        customer=method.provider_customer,
        card=method.provider_reference,
        amount=Decimal("10.20"),
        currency="EUR",
        return_url="",
        is_hold=False,
    )
    bank.answer_bank(payment_reference=asked.reference, is_confirmed=True)
    setup = methods.start_setup(driver_id=driver.pk, return_url=RETURN_URL).rstrip("/").rpartition("/")[2]
    bank.enter_card(setup_reference=setup, card=card_named("mastercard"), expires_on=GOOD_UNTIL)
    dispute = disputes.open_dispute(payment_reference=asked.reference)
    disputes.withdraw_funds(dispute.reference)
    disputes.close_dispute(dispute.reference, is_won=False)

    assert walk([*events(asked.reference), *events(setup), *events(dispute.reference)]) > 4

    payment.refresh_from_db()
    assert (payment.status, Dispute.objects.get().status) == ("succeeded", "lost")
    assert (Payment.objects.count(), PaymentMethod.objects.filter(driver=driver).count()) == (1, 2)
    # Paid once, taken back by the bank, owed again.
    assert owed_by(driver.pk) == Decimal("10.20")


def test_a_hold_its_capture_and_a_dispute_that_is_won(now: time_machine.Traveller) -> None:
    """The hold is known to be placed; the answer to its capture got lost."""
    stand = preauth_stand("visa")
    session = started(stand)
    hold = place_card_hold(hold_id=session.holds.get().pk)
    now.move_to(NOON + timedelta(hours=6))
    stand.stop(session.pk, 360, SIX_TWENTY_WH)
    leg = settle_session(session_id=session.pk).legs.get()
    payment = claim_leg(leg_id=leg.pk)
    bank.capture(key=payment.idempotency_key, reference=hold.provider_reference, amount=Decimal("6.20"))
    dispute = disputes.open_dispute(payment_reference=hold.provider_reference)
    disputes.withdraw_funds(dispute.reference)
    disputes.close_dispute(dispute.reference, is_won=True)
    disputes.reinstate_funds(dispute.reference)
    webhooks = [*events(hold.provider_reference), *events(dispute.reference)]
    assert len(webhooks) == 6

    assert walk(webhooks) > 2

    payment.refresh_from_db()
    hold.refresh_from_db()
    assert (payment.status, hold.status, hold.captured_amount) == ("succeeded", "captured", Decimal("6.20"))
    assert (Dispute.objects.get().status, owed_by(session.driver_id)) == ("won", 0)


def test_a_charge_its_refund_that_comes_back_and_a_new_card() -> None:
    """The charge is known; the answer to its refund got lost."""
    session = billed_session(card="answered_later")
    collect_leg(leg_id=session.cdr.legs.get().pk)
    payment = Payment.objects.get()
    bank.finish_pending(payment_reference=payment.provider_reference, is_success=True)
    for webhook in events(payment.provider_reference):
        bring(webhook)
    told = FakeProviderObject.objects.filter(kind="event", data__reference=payment.provider_reference)
    # They come once more, under other numbers, as after a change of the endpoint.
    for earlier in list(told):
        post.announce(earlier.data["kind"], subject="payment", reference=payment.provider_reference)
    late = events(payment.provider_reference)[-2:]
    refund_session(session_id=session.pk, amount=Decimal(2), reason="x", idempotency_key="refund:1")
    refund = Refund.objects.get()
    bank.change_card(card_reference=payment.method.provider_reference, test_card="refund_later")
    made, _is_answered = bank.refund(
        key=refund.idempotency_key, reference=payment.provider_reference, amount=Decimal("2.00")
    )
    bank.finish_refund(refund_reference=made.reference, is_success=True)
    bank.finish_refund(refund_reference=made.reference, is_success=False)
    setup = methods.start_setup(driver_id=session.driver_id, return_url=RETURN_URL).rstrip("/").rpartition("/")[2]
    bank.enter_card(setup_reference=setup, card=card_named("mastercard"), expires_on=GOOD_UNTIL)
    webhooks = [*late, *events(made.reference), *events(setup)]
    assert len(webhooks) == 6

    assert walk(webhooks) > 2

    refund.refresh_from_db()
    assert (refund.status, refund.payment.status) == ("failed", "succeeded")
    assert owed_by(session.driver_id) == Decimal("-2.00")
