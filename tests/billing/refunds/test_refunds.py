"""Refunds of a session: each leg gets its part back to its own source, revenue and VAT go down with it, exactly."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import AuditEvent
from billing.errors import LegUnderWay, NothingToRefund, ReasonMissing, RefundTooLarge
from billing.models import LedgerTransaction, SessionRefund
from billing.providers.fake import bank
from billing.services.books import verify
from billing.services.lots import expire_lots
from billing.services.payments import claim_leg, collect_leg
from billing.services.refunds import preview_refund, refund_session
from common.errors import BadInput, IdempotencyConflict
from tests.billing.factories import EndedSessionFactory
from tests.billing.payments.world import last_payment, work_off_queue
from tests.billing.refunds.world import FAR_OFF, After, after, billed_session, paid_session
from tests.factories import StaffFactory, TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db(transaction=True)


def refund(session, amount: str | None = None, *, key: str = "refund:1", **terms) -> SessionRefund:
    return refund_session(
        session_id=session.pk,
        amount=None if amount is None else Decimal(amount),
        reason="the plug did not lock",
        idempotency_key=key,
        **terms,
    )


def eur(*amounts: str) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


def assert_books_hold() -> None:
    assert verify().findings == []


def test_the_whole_of_a_session_goes_back_to_every_source():
    session = paid_session(promo="3.00", wallet="4.00")
    otto = StaffFactory()

    made = refund(session, actor_id=otto.pk)
    assert [(leg.funding_leg.source, leg.amount, leg.was_paid) for leg in made.legs.order_by("pk")] == [
        ("card", Decimal("3.20"), True),
        ("wallet_cash", Decimal("4.00"), True),
        ("wallet_promo", Decimal("3.00"), True),
    ]
    assert (made.net, made.vat, made.gross) == (Decimal("8.57"), Decimal("1.63"), Decimal("10.20"))
    assert made.vat_totals == [{"percent": "19", "net": "8.57", "vat": "1.63", "gross": "10.20"}]
    # Until the card has it back, Ada's account is in her favour.
    assert after(session).owed == Decimal("-3.20")
    assert_books_hold()

    work_off_queue()
    assert after(session) == After(
        legs=[
            ("wallet_promo", "refunded", Decimal("3.00")),
            ("wallet_cash", "refunded", Decimal("4.00")),
            ("card", "refunded", Decimal("3.20")),
        ],
        lots=[("promo", Decimal("3.00")), ("cash", Decimal("4.00"))],
        refunds=[("succeeded", Decimal("3.20"))],
        kept=Decimal(0),
        owed=Decimal(0),
        revenue=Decimal(0),
        vat=Decimal(0),
    )
    session.refresh_from_db()
    assert session.payment_status == "paid"
    event = AuditEvent.objects.get(action="session_refunded")
    assert (event.actor, event.reason, event.data["legs"]) == (
        otto,
        "the plug did not lock",
        {"3": "3.2000", "2": "4.0000", "1": "3.0000"},
    )
    assert_books_hold()


def test_a_promo_lot_comes_back_as_promo_with_its_expiry():
    session = paid_session(promo="3.00", wallet="4.00")
    refund(session)
    lot = session.driver.ledger_accounts.get(code="wallet").lots.get(kind="promo")
    assert (lot.remaining, lot.expires_at) == (Decimal("3.00"), FAR_OFF)
    expire_lots(now=FAR_OFF + timedelta(days=1))
    lot.refresh_from_db()
    assert lot.remaining == 0
    work_off_queue()
    assert_books_hold()


def test_a_part_is_taken_from_the_last_legs_first():
    session = paid_session(promo="3.00", wallet="4.00")
    refund(session, "5.00")
    work_off_queue()
    now = after(session)
    assert now.legs == [
        ("wallet_promo", "paid", Decimal(0)),
        ("wallet_cash", "paid", Decimal("1.80")),
        ("card", "refunded", Decimal("3.20")),
    ]
    # 5.00 at 19 % are 4.20 net and 0.80 VAT.
    assert (now.revenue, now.vat, now.kept, now.owed) == (Decimal("4.37"), Decimal("0.83"), Decimal(0), Decimal(0))
    assert_books_hold()


def test_any_number_of_parts_sums_to_the_whole():
    session = paid_session()
    for number, amount in enumerate(("0.01", "3.33", "3.33", "3.33")):
        refund(session, amount, key=f"refund:{number}")
    refund(session, key="refund:rest")
    work_off_queue()
    made = SessionRefund.objects.all()
    assert sorted(one.gross for one in made) == eur("0.01", "0.20", "3.33", "3.33", "3.33")
    assert (sum(one.net for one in made), sum(one.vat for one in made)) == (Decimal("8.57"), Decimal("1.63"))
    now = after(session)
    assert (now.revenue, now.vat, now.kept, now.legs[0][1]) == (0, 0, 0, "refunded")
    assert_books_hold()


def test_by_leg():
    session = paid_session(promo="3.00", wallet="4.00")
    promo, _cash, card = session.cdr.legs.order_by("seq")
    refund(session, by_leg={promo.pk: Decimal("1.00"), card.pk: Decimal("0.20")})
    work_off_queue()
    assert [(state, refunded) for _source, state, refunded in after(session).legs] == [
        ("paid", Decimal("1.00")),
        ("paid", Decimal(0)),
        ("paid", Decimal("0.20")),
    ]
    with pytest.raises(RefundTooLarge):
        refund(session, by_leg={promo.pk: Decimal("2.01")}, key="refund:2")
    stranger = paid_session().cdr.legs.get()
    for by_leg in ({}, {stranger.pk: Decimal("1.00")}):
        with pytest.raises(BadInput, match="legs of this session"):
            refund(session, by_leg=by_leg, key="refund:2")
    assert_books_hold()


def test_what_is_still_owed_is_owed_no_longer_and_only_the_rest_is_charged():
    session = billed_session(card="insufficient_funds")
    leg = session.cdr.legs.get()
    collect_leg(leg_id=leg.pk)
    assert last_payment(leg).next_attempt_at is not None
    refund(session, "4.20")
    now = after(session)
    assert (now.legs, now.owed, now.refunds) == ([("card", "retrying", Decimal("4.20"))], Decimal("6.00"), [])
    bank.change_card(card_reference=session.driver.payment_methods.get().provider_reference, test_card="visa")
    collect_leg(leg_id=leg.pk, is_early=True)
    now = after(session)
    assert (now.legs[0][1], now.kept, now.owed, last_payment(leg).amount) == ("paid", 6, 0, 6)
    assert_books_hold()


def test_a_debt_refunded_in_full_is_not_tried_again():
    session = billed_session(card="insufficient_funds")
    leg = session.cdr.legs.get()
    collect_leg(leg_id=leg.pk)
    refund(session)
    assert after(session).legs == [("card", "refunded", Decimal("10.20"))]
    assert last_payment(leg).next_attempt_at is None
    assert collect_leg(leg_id=leg.pk, is_early=True) is None
    session.refresh_from_db()
    assert (session.payment_status, after(session).owed) == ("paid", 0)
    assert_books_hold()


def test_open_access_is_given_away_no_longer():
    session = billed_session(contract_type__open_access=True)
    refund(session, "5.10")
    posted = LedgerTransaction.objects.get(event="session_refunded")
    assert {(entry.account.code, entry.side, entry.amount) for entry in posted.entries.all()} == {
        ("revenue_energy", "debit", Decimal("4.29")),
        ("vat_payable", "debit", Decimal("0.81")),
        ("open_access_expense", "credit", Decimal("5.10")),
    }
    assert_books_hold()


def test_several_rates_and_kinds_of_revenue():
    document = tariff_document(
        element(component("FLAT", "0.50"), component("ENERGY", "0.40"), component("TIME", "6.00", vat="7"))
    )
    session = paid_session(tariff_version=TariffVersionFactory(document=document))
    # 0.50 + 6.00 at 19 %, 6.00 at 7 %: 7.74 + 6.42 = 14.16
    made = refund(session, "7.08")
    assert made.vat_totals == [
        {"percent": "19", "net": "3.25", "vat": "0.62", "gross": "3.87"},
        {"percent": "7", "net": "3.00", "vat": "0.21", "gross": "3.21"},
    ]
    taken = {
        (entry.account.code, entry.account.qualifier): entry.amount
        for entry in made.ledger_transaction.entries.filter(side="debit")
    }
    assert taken == {
        ("revenue_energy", ""): Decimal("3.00"),
        ("revenue_time", ""): Decimal("3.00"),
        ("revenue_fees", ""): Decimal("0.25"),
        ("vat_payable", "DE-19"): Decimal("0.62"),
        ("vat_payable", "DE-7"): Decimal("0.21"),
    }
    refund(session, key="refund:rest")
    assert (after(session).revenue, after(session).vat) == (0, 0)
    assert_books_hold()


def test_the_same_key_refunds_once_and_other_terms_are_refused():
    session = paid_session()
    first = refund(session, "2.00")
    assert refund(session, "2.00") == first
    assert after(session).legs == [("card", "paid", Decimal("2.00"))]
    with pytest.raises(IdempotencyConflict):
        refund(session, "3.00")
    with pytest.raises(IdempotencyConflict):
        refund(paid_session(), "2.00")
    assert SessionRefund.objects.count() == 1


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [("10.21", RefundTooLarge), ("0.00", BadInput), ("-1.00", BadInput), ("1.005", BadInput)],
)
def test_an_impossible_amount_changes_nothing(amount, refusal):
    session = paid_session()
    before = after(session)
    with pytest.raises(refusal):
        refund(session, amount)
    assert (after(session), SessionRefund.objects.count()) == (before, 0)


def test_what_was_never_billed_or_is_refunded_already_is_refused():
    with pytest.raises(NothingToRefund):
        refund(EndedSessionFactory())
    session = paid_session()
    refund(session)
    with pytest.raises(NothingToRefund):
        refund(session, key="refund:2")
    with pytest.raises(ReasonMissing):
        refund_session(session_id=session.pk, reason=" ", idempotency_key="refund:3")


def test_while_a_payment_is_being_made_nothing_is_refunded():
    session = billed_session(card="visa")
    claim_leg(leg_id=session.cdr.legs.get().pk)
    with pytest.raises(LegUnderWay):
        refund(session)
    with pytest.raises(LegUnderWay):
        preview_refund(session_id=session.pk)
    assert SessionRefund.objects.count() == 0


def test_a_payment_that_waits_for_its_driver_is_called_off_first():
    session = paid_session("confirm_each")
    assert after(session).legs == [("card", "requires_action", Decimal(0))]
    assert preview_refund(session_id=session.pk).gross == Decimal("10.20")
    refund(session)
    assert after(session).legs == [("card", "refunded", Decimal("10.20"))]
    assert last_payment(session.cdr.legs.get()).status == "cancelled"
    assert (after(session).owed, after(session).kept) == (0, 0)
    assert_books_hold()


def test_the_preview_says_what_the_refund_does():
    session = paid_session(promo="3.00", wallet="4.00")
    plan = preview_refund(session_id=session.pk, amount=Decimal("5.00"))
    assert [(leg.source, part) for leg, part in plan.parts] == [
        ("card", Decimal("3.20")),
        ("wallet_cash", Decimal("1.80")),
    ]
    assert (plan.net, plan.vat, plan.gross) == (Decimal("4.20"), Decimal("0.80"), Decimal("5.00"))
    assert SessionRefund.objects.count() == 0
    made = refund(session, "5.00")
    assert (made.net, made.vat, made.gross) == (plan.net, plan.vat, plan.gross)
