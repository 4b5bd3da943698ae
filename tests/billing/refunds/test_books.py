"""`verify_books` names the row when a refund is tampered with."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing.models import ChargingSession, FundingLeg, LedgerTransaction, Refund, SessionRefund
from billing.services.books import verify
from billing.services.payments import collect_leg
from billing.services.refunds import refund_session
from billing.services.write_offs import write_off_leg
from tests.billing.books.test_books import tamper
from tests.billing.payments.world import work_off_queue
from tests.billing.refunds.world import billed_session, paid_session
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def session() -> ChargingSession:
    """4.00 of the wallet and 6.20 by card; 8.00 of it refunded: 6.20 to the card, 1.80 to the wallet."""
    session = paid_session(wallet="4.00")
    refund_session(session_id=session.pk, amount=Decimal("8.00"), reason="too slow", idempotency_key="refund:1")
    work_off_queue()
    owing = billed_session(card="insufficient_funds")
    collect_leg(leg_id=owing.cdr.legs.get().pk)
    write_off_leg(leg_id=owing.cdr.legs.get().pk, actor_id=StaffFactory().pk, reason="moved away")
    assert verify().findings == []
    return session


def refund() -> int:
    return SessionRefund.objects.get().pk


def leg(source: str) -> FundingLeg:
    return FundingLeg.objects.get(source=source, state__in=["paid", "refunded"])


def card_refund() -> Refund:
    return Refund.objects.get()


# What is planted, the statement, the row it is about, and what names it.
CORRUPTIONS: list[tuple[str, str, Callable[[], Any], Callable[[], set[tuple[str, str]]]]] = [
    (
        "a refund is made smaller than its legs",
        "UPDATE billing_sessionrefund SET net = net - 1, gross = gross - 1 WHERE id = %s",
        refund,
        lambda: {("refunds_are_their_legs", f"refund {refund()}"), ("refunds_are_posted", f"refund {refund()}")},
    ),
    (
        "a leg says less was refunded",
        "UPDATE billing_fundingleg SET refunded = 1 WHERE id = %s",
        lambda: leg("wallet_cash").pk,
        lambda: {
            ("legs_keep_their_refunds", f"funding leg {leg('wallet_cash').pk}"),
            ("lots_gave_what_legs_took", f"wallet lot {leg('wallet_cash').lot_id}"),
        },
    ),
    (
        "the part of a leg disappears",
        "DELETE FROM billing_sessionrefundleg WHERE funding_leg_id = %s",
        lambda: leg("wallet_cash").pk,
        lambda: {
            ("refunds_are_their_legs", f"refund {refund()}"),
            ("legs_keep_their_refunds", f"funding leg {leg('wallet_cash').pk}"),
            ("refunds_are_posted", f"refund {refund()}"),
        },
    ),
    (
        "a refund is of another session",
        "UPDATE billing_sessionrefund SET cdr_id = (SELECT MAX(id) FROM billing_cdr) WHERE id = %s",
        refund,
        lambda: {("refunds_are_of_their_cdr", f"refund {refund()}")},
    ),
    (
        "a refund's posting is of no refund",
        "UPDATE billing_sessionrefund SET ledger_transaction_id = "
        "(SELECT id FROM billing_ledgertransaction WHERE event = 'debt_written_off') WHERE id = %s",
        refund,
        lambda: {
            ("refunds_are_posted", f"refund {refund()}"),
            ("refund_postings_have_their_refund", "ledger transaction refund:1:refunded"),
        },
    ),
    (
        "a card refund was never given",
        "UPDATE billing_refund SET status = 'pending', ledger_transaction_id = NULL, finished_at = NULL, "
        "reread_at = created_at WHERE id = %s",
        lambda: card_refund().pk,
        lambda: {
            (
                "refund_postings_have_their_refund",
                f"ledger transaction {LedgerTransaction.objects.get(event='card_refund').idempotency_key}",
            )
        },
    ),
    (
        "a card refund is larger than it was posted",
        "UPDATE billing_refund SET amount = 6.30 WHERE id = %s",
        lambda: card_refund().pk,
        lambda: {
            ("card_refunds_are_posted", f"card refund {card_refund().idempotency_key}"),
            ("payments_keep_their_refunds", f"payment {card_refund().payment.idempotency_key}"),
            ("paid_parts_go_back", f"refund {refund()}"),
            ("paid_legs_were_paid", f"funding leg {leg('card').pk}"),
        },
    ),
    (
        "a payment says nothing was given back",
        "UPDATE billing_payment SET refunded = 0 WHERE id = %s",
        lambda: card_refund().payment_id,
        lambda: {("payments_keep_their_refunds", f"payment {card_refund().payment.idempotency_key}")},
    ),
    (
        "a card refund belongs to no refund",
        "UPDATE billing_refund SET session_refund_id = NULL WHERE id = %s",
        lambda: card_refund().pk,
        lambda: {("paid_parts_go_back", f"refund {refund()}")},
    ),
    (
        "more is refunded than the session cost",
        "UPDATE billing_sessionrefund SET net = 9.00, vat = -1.00 WHERE id = %s",
        refund,
        lambda: {
            ("refunds_are_posted", f"refund {refund()}"),
            ("refunds_stay_below_the_price", f"cdr {SessionRefund.objects.get().cdr_id}"),
        },
    ),
    (
        "a written-off leg is said to be due",
        "UPDATE billing_fundingleg SET state = 'due' WHERE id = %s",
        lambda: FundingLeg.objects.get(state="written_off").pk,
        lambda: {("bad_debt_is_what_was_written_off", "ledger account bad_debt:EUR")},
    ),
]


@pytest.mark.parametrize(
    ("sql", "about", "expected"), [row[1:] for row in CORRUPTIONS], ids=[row[0] for row in CORRUPTIONS]
)
def test_it_is_named(sql, about, expected):
    row_id = about()
    named = expected()
    with transaction.atomic():
        tamper(sql, row_id)
    assert {(finding.check, finding.row) for finding in verify().errors} == named


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_sessionrefund SET reason = 'x'",
        "DELETE FROM billing_sessionrefund",
        "UPDATE billing_sessionrefundleg SET amount = 1",
        "DELETE FROM billing_sessionrefundleg",
        "DELETE FROM billing_refund",
        "UPDATE billing_refund SET amount = amount - 1",
        "UPDATE billing_refund SET payment_id = payment_id + 1",
        "UPDATE billing_fundingleg SET refunded = amount + 1",
        "UPDATE billing_payment SET refunded = amount + 1",
    ],
)
def test_the_database_refuses(sql):
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert verify().findings == []
