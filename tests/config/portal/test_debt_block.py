"""An operator sees whether debt blocks a customer, lets them charge for a time, and ends that again."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Driver
from billing.models import DebtExemption, FundingLeg, Payment
from common import clock
from tests.config.portal.conftest import LogIn
from tests.config.portal.staff import member
from tests.config.site.reading import words
from tests.config.site.world import card_of, driver_with, priced_network, settled_session

pytestmark = pytest.mark.django_db

KEY = "8f14e45f-ceea-467f-a8f1-000000000002"


@pytest.fixture
def ada() -> Driver:
    """Her card was declined for 8.09 twice."""
    priced_network()
    driver = driver_with()
    session = settled_session(driver, energy_wh=17_000)
    leg = session.cdr.legs.get()
    for attempt in (1, 2):
        Payment.objects.create(
            idempotency_key=f"declined:{attempt}",
            driver=driver,
            purpose="session",
            funding_leg=leg,
            method=card_of(driver) if attempt == 1 else driver.payment_methods.get(),
            provider="fake",
            amount=leg.amount,
            currency="EUR",
            status="failed",
            attempt=attempt,
            decline_class="soft",
            decline_code="insufficient_funds",
            finished_at=clock.now(),
            next_attempt_at=clock.now() + timedelta(days=1) if attempt == 2 else None,
        )
    FundingLeg.objects.filter(pk=leg.pk).update(state="retrying")
    return driver


def page(driver: Driver, name: str) -> str:
    return reverse(f"admin:accounts_driver_{name}", args=[driver.pk])


def payments_of(browser: Client, driver: Driver) -> str:
    return words(browser.get(page(driver, "change"), {"tab": "payments"}))


def form(days: int) -> dict[str, str]:
    until_on = clock.local_date(clock.now(), settings.TIME_ZONE) + timedelta(days=days)
    return {"key": KEY, "until_on": until_on.isoformat(), "reason": "a new card is on its way", "confirmed": "1"}


def test_attempts_reason_class_and_next_date_are_shown(ada: Driver, log_in: LogIn) -> None:
    tab = payments_of(log_in("Support"), ada)
    assert "could not be collected; above 0.00 € no new session starts." in tab
    assert "There was not enough money on the card. This may be different another time." in tab
    assert "Attempts" in tab
    assert "Next attempt" in tab


def test_an_exemption_is_granted_once_shown_and_ended(ada: Driver, log_in: LogIn) -> None:
    support = log_in("Support")
    unconfirmed = {name: value for name, value in form(3).items() if name != "confirmed"}
    assert "What is unpaid stays due and is collected as before." in words(
        support.post(page(ada, "exempt"), unconfirmed)
    )
    assert not DebtExemption.objects.exists()
    for _repeat in range(2):
        support.post(page(ada, "exempt"), form(3))
    exemption = DebtExemption.objects.get()
    assert (exemption.driver, exemption.granted_by) == (ada, member(support))
    assert "New sessions start until" in payments_of(support, ada)
    assert "a new card is on its way" in payments_of(support, ada)

    support.post(page(ada, "end_exemption"), {"key": KEY, "reason": "the card is here", "confirmed": "1"})

    assert "no new session starts" in payments_of(support, ada)
    actions = AuditEvent.objects.filter(action__startswith="debt_exemption").order_by("pk")
    assert [(event.action, event.reason) for event in actions] == [
        ("debt_exemption_granted", "a new card is on its way"),
        ("debt_exemption_ended", "the card is here"),
    ]


def test_a_day_that_has_passed_is_refused(ada: Driver, log_in: LogIn) -> None:
    assert "This day has passed." in words(log_in("Support").post(page(ada, "exempt"), form(-1)))
    assert not DebtExemption.objects.exists()


@pytest.mark.parametrize("role", ["Operations", "Read-only"])
def test_others_may_not(ada: Driver, log_in: LogIn, role: str) -> None:
    browser = log_in(role)
    for name in ("exempt", "end_exemption"):
        assert browser.post(page(ada, name), form(3)).status_code == 403
    assert not DebtExemption.objects.exists()
