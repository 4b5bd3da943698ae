"""Differences with the provider in the portal: a queue, what each means, and who may decide."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from billing.models import Discrepancy, FakeProviderObject, Payment
from billing.services.reconciliation import reconcile
from common import clock
from tests.billing.refunds.world import paid_session
from tests.config.portal.staff import browser_of, member
from tests.factories import DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = {"key": "8f14e45f-ceea-467f-a8f1-000000000001", "reason": "The message got lost."}
CONFIRMED = {**ASKED, "confirmed": "1"}
VERBS = ("adopt", "refund", "release", "explain")


@pytest.fixture
def difference() -> Discrepancy:
    """The provider took 10.20 we believe declined."""
    paid_session("insufficient_funds")
    FakeProviderObject.objects.filter(kind="payment").update(created_at=clock.now() - timedelta(hours=2))
    thing = FakeProviderObject.objects.get(kind="payment")
    thing.state, thing.data = "succeeded", {**thing.data, "captured": "10.20"}
    thing.save()
    reconcile(since=clock.now() - timedelta(hours=3), until=clock.now() - timedelta(hours=1))
    return Discrepancy.objects.get()


def address(row: Discrepancy, page: str) -> str:
    return reverse(f"admin:billing_discrepancy_{page}", args=[row.pk])


def test_what_differs_is_seen_explained_and_taken_over(difference: Discrepancy) -> None:
    fina = browser_of("Finance")
    queue = fina.get(reverse("admin:billing_discrepancy_changelist"), {"status__exact": "open"})
    assert queue.context["cl"].result_count == 1
    figures = {str(figure.label): figure.value for figure in fina.get(reverse("admin:index")).context["queues"]}
    assert figures["Provider differences"] == "1"
    page = fina.get(address(difference, "change")).content.decode()
    for words in ("failed, 10.20\xa0€", "succeeded, 10.20\xa0€", "mostly because a message got lost"):
        assert words in page
    assert address(difference, "adopt") in page
    assert address(difference, "refund") not in page

    preview = fina.post(address(difference, "adopt"), ASKED).content.decode()
    assert "We said: failed, 10.20\xa0€. The provider says: succeeded, 10.20\xa0€." in preview
    assert Payment.objects.get().status == "failed"
    assert fina.post(address(difference, "adopt"), CONFIRMED).status_code == 302

    assert Payment.objects.get().status == "succeeded"
    event = AuditEvent.objects.get(action="discrepancy_adopted")
    assert (event.actor, event.reason) == (member(fina), ASKED["reason"])
    after = fina.get(address(difference, "change")).content.decode()
    assert "Taken over from the provider" in after
    assert address(difference, "explain") not in after


def test_what_does_not_fit_its_kind_is_refused_with_words(difference: Discrepancy) -> None:
    fina = browser_of("Finance")
    for verb in ("refund", "release"):
        answer = fina.post(address(difference, verb), CONFIRMED)
        assert "This cannot be done about a difference of this kind." in answer.content.decode()
    difference.refresh_from_db()
    assert difference.status == "open"
    assert fina.post(address(difference, "explain"), CONFIRMED).status_code == 302
    difference.refresh_from_db()
    assert difference.status == "explained"


@pytest.mark.parametrize("role", ["Support", "Operations", "Read-only"])
def test_who_may_not_decide_cannot(difference: Discrepancy, role: str) -> None:
    client = browser_of(role)
    assert [client.post(address(difference, verb), CONFIRMED).status_code for verb in VERBS] == [403] * 4
    difference.refresh_from_db()
    assert difference.status == "open"


def test_strangers_and_drivers_see_nothing(difference: Discrepancy) -> None:
    driver = Client()
    driver.force_login(DriverFactory().user)
    for verb in VERBS:
        assert Client().get(address(difference, verb)).status_code == 302
        assert driver.get(address(difference, verb), follow=True).status_code == 403
