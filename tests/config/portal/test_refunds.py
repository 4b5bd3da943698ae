"""Refunding a session in the portal: what will happen is said first, and who may not do it cannot."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import FundingLeg, Refund, SessionRefund
from billing.providers.fake import bank
from billing.services.card_refunds import send_refund
from billing.services.refunds import refund_session
from tests.billing.payments.world import work_off_queue
from tests.billing.refunds.world import billed_session, paid_session
from tests.config.portal.staff import browser_of, member

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "8f14e45f-ceea-467f-a8f1-000000000007"
ASKED = {"key": KEY, "reason": "the plug did not lock"}
CONFIRMED = {**ASKED, "confirmed": "1"}


@pytest.fixture
def fina() -> Client:
    return browser_of("Finance")


def page(session, name: str = "change", *more: int) -> str:
    return reverse(f"admin:billing_chargingsession_{name}", args=[session.pk, *more])


def test_a_part_is_refunded_after_it_was_said_what_will_happen(fina: Client) -> None:
    session = paid_session(promo="3.00", wallet="4.00")
    assert page(session, "refund") in fina.get(page(session)).content.decode()

    preview = fina.post(page(session, "refund"), {**ASKED, "amount": "9.00"}).content.decode()
    for sentence in (
        "9.00\xa0€ of session",
        "3.20\xa0€ to the card Visa •4242",
        "4.00\xa0€ into the wallet",
        "1.80\xa0€ into the wallet, as promotional credit until",
        "Revenue goes down by 7.56\xa0€, VAT by 1.44\xa0€.",
        "Reason: the plug did not lock",
    ):
        assert sentence in preview, sentence
    assert not SessionRefund.objects.exists()

    for _ in range(2):
        assert fina.post(page(session, "refund"), {**CONFIRMED, "amount": "9.00"}).status_code == 302
    made = SessionRefund.objects.get()
    assert (made.gross, made.reason, made.actor) == (Decimal("9.00"), "the plug did not lock", member(fina))
    work_off_queue()
    shown = fina.get(page(session)).content.decode()
    assert "3.20\xa0€ to the card Visa •4242" in shown
    assert "Succeeded" in shown
    assert AuditEvent.objects.filter(action="session_refunded").count() == 1


def test_one_leg_and_everything(fina: Client) -> None:
    session = paid_session(wallet="4.00")
    cash = session.cdr.legs.get(source="wallet_cash")
    fina.post(page(session, "refund"), {**CONFIRMED, "leg": str(cash.pk), "amount": ""})
    cash.refresh_from_db()
    assert (cash.state, SessionRefund.objects.get().gross) == ("refunded", Decimal("4.00"))
    fina.post(page(session, "refund"), {**CONFIRMED, "key": KEY.replace("7", "8")})
    assert {leg.state for leg in session.cdr.legs.all()} == {"refunded"}
    assert page(session, "refund") not in fina.get(page(session)).content.decode()


def test_too_much_is_refused_with_words(fina: Client) -> None:
    session = paid_session()
    answer = fina.post(page(session, "refund"), {**CONFIRMED, "amount": "10.21"})
    assert "This is more than is left to refund." in answer.content.decode()
    assert fina.post(page(session, "refund"), {"key": KEY, "confirmed": "1"}).status_code == 200
    assert not SessionRefund.objects.exists()


def test_a_debt_is_written_off(fina: Client) -> None:
    session = billed_session()
    leg = session.cdr.legs.get()
    address = page(session, "write_off", leg.pk)
    assert address in fina.get(page(session)).content.decode()
    assert "10.20\xa0€ that Ada owes" in fina.post(address, ASKED).content.decode()
    fina.post(address, CONFIRMED)
    leg.refresh_from_db()
    assert leg.state == FundingLeg.State.WRITTEN_OFF
    other = paid_session()
    assert fina.post(page(other, "write_off", leg.pk), CONFIRMED).status_code == 404


def failed_refund() -> Refund:
    session = paid_session()
    refund_session(session_id=session.pk, amount=Decimal("2.00"), reason="x", idempotency_key="refund:1")
    refund = send_refund(refund_id=Refund.objects.get().pk)
    bank.finish_refund(refund_reference=refund.provider_reference, is_success=False)
    work_off_queue()
    refund.refresh_from_db()
    assert refund.status == "failed"
    return refund


@pytest.mark.parametrize(("verb", "status"), [("retry", "created"), ("pay_out", "paid_out")])
def test_a_failed_refund_is_a_piece_of_work(fina: Client, verb: str, status: str) -> None:
    refund = failed_refund()
    queue = reverse("admin:billing_refund_changelist")
    assert fina.get(queue, {"queue": "failed"}).context["cl"].result_count == 1
    address = reverse(f"admin:billing_refund_{verb}", args=[refund.pk])
    assert address in fina.get(reverse("admin:billing_refund_change", args=[refund.pk])).content.decode()
    fina.post(address, CONFIRMED)
    assert Refund.objects.get(retry_of=refund).status == status
    assert fina.get(queue, {"queue": "failed"}).context["cl"].result_count == 0
    assert address not in fina.get(reverse("admin:billing_refund_change", args=[refund.pk])).content.decode()


@pytest.mark.parametrize("role", ["Support", "Operations", "Read-only"])
def test_who_may_not_refund_cannot(role: str) -> None:
    session = billed_session()
    refund = failed_refund()
    client = browser_of(role)
    addresses: list[str] = [
        page(session, "refund"),
        page(session, "write_off", session.cdr.legs.get().pk),
        reverse("admin:billing_refund_retry", args=[refund.pk]),
        reverse("admin:billing_refund_pay_out", args=[refund.pk]),
    ]
    assert page(session, "refund") not in client.get(page(session)).content.decode()
    assert [client.post(address, CONFIRMED).status_code for address in addresses] == [403] * 4
    assert SessionRefund.objects.count() == 1


def test_the_lists_export(fina: Client) -> None:
    session = paid_session()
    refund_session(session_id=session.pk, amount=Decimal("2.00"), reason="too slow", idempotency_key="refund:1")
    text = fina.get(reverse("admin:billing_sessionrefund_export")).getvalue().decode()
    assert ",EUR,1.6800,0.3200,2.0000,too slow," in text
    assert (
        fina.get(reverse("admin:billing_sessionrefund_change", args=[SessionRefund.objects.get().pk])).status_code
        == 200
    )


def test_the_driver_sees_what_came_back() -> None:
    session = paid_session(wallet="4.00")
    refund_session(session_id=session.pk, amount=Decimal("8.00"), reason="internal words", idempotency_key="refund:1")
    browser = Client()
    browser.force_login(session.driver.user)
    shown = browser.get(reverse("session_detail", args=[session.public_id])).content.decode()
    assert "Refunded: 8.00\xa0€" in shown
    assert "To the card Visa •4242" in shown
    assert "internal words" not in shown
    assert "Refund of a charging session" in browser.get(reverse("wallet")).content.decode()
