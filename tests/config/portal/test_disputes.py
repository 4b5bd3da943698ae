"""Disputes in the portal: a work queue with its deadline, a note, and who may not write one."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import Dispute
from tests.billing.payments.world import work_off_queue
from tests.billing.refunds.world import paid_session
from tests.config.portal.staff import browser_of, member
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

NOTE = {"key": "8f14e45f-ceea-467f-a8f1-000000000001", "reason": "Evidence sent on Monday."}


@pytest.fixture
def dispute() -> Dispute:
    paid_session("disputed")
    work_off_queue()
    return Dispute.objects.get()


def address(dispute: Dispute, page: str) -> str:
    return reverse(f"admin:billing_dispute_{page}", args=[dispute.pk])


def test_what_waits_for_an_answer_is_seen_wherever_one_looks(dispute: Dispute) -> None:
    fina = browser_of("Finance")
    queue = fina.get(reverse("admin:billing_dispute_changelist"), {"queue": "answer"})
    assert queue.context["cl"].result_count == 1
    queues = {str(figure.label): figure.value for figure in fina.get(reverse("admin:index")).context["queues"]}
    assert queues["Disputes to answer"] == "1"
    page = fina.get(address(dispute, "change")).content.decode()
    for words in (
        "Hand in the evidence at the payment provider by",
        "the cardholder does not know it",
        "The provider withdrew 10.20\xa0€ and a fee of 15.00\xa0€.",
    ):
        assert words in page
    session = dispute.payment.funding_leg.cdr.charging_session
    places = [
        reverse("admin:billing_payment_change", args=[dispute.payment_id]),
        reverse("admin:billing_chargingsession_change", args=[session.pk]),
        reverse("admin:accounts_driver_change", args=[session.driver_id]) + "?tab=payments",
    ]
    for place in places:
        assert address(dispute, "change") in fina.get(place).content.decode(), place


def test_a_note_is_written_and_kept_in_the_audit_trail(dispute: Dispute) -> None:
    fina = browser_of("Finance")
    assert address(dispute, "note") in fina.get(address(dispute, "change")).content.decode()
    assert fina.post(address(dispute, "note"), {**NOTE, "reason": ""}).status_code == 200
    assert fina.post(address(dispute, "note"), NOTE).status_code == 302
    assert NOTE["reason"] in fina.get(address(dispute, "change")).content.decode()
    event = AuditEvent.objects.get(action="dispute_noted")
    assert (event.actor, event.reason) == (member(fina), NOTE["reason"])


@pytest.mark.parametrize("role", ["Support", "Operations", "Read-only"])
def test_who_may_not_write_a_note_cannot(dispute: Dispute, role: str) -> None:
    assert browser_of(role).post(address(dispute, "note"), NOTE).status_code == 403
    dispute.refresh_from_db()
    assert not dispute.note


def test_strangers_and_drivers_see_nothing(dispute: Dispute) -> None:
    assert Client().get(address(dispute, "change")).status_code == 302
    driver = Client()
    driver.force_login(DriverFactory().user)
    assert driver.get(address(dispute, "change"), follow=True).status_code == 403
