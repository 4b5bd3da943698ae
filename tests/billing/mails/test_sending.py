"""Whatever happens to worker and mail server, one event is at most one mail, and none is lost in silence."""

import threading
from datetime import datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.db import connection
from pytest_django import Settings

from accounts.models import Driver
from billing.mail_tasks import send_mail, sweep_mails
from billing.models import DriverMail, FundingLeg
from billing.services import mails
from billing.services.payments import collect_leg
from common import clock
from tests.billing.ledger.test_races import race
from tests.billing.mails.world import DEAF, outbox, states
from tests.billing.payments.test_crashes import kill_before
from tests.billing.payments.world import NOON, owe, save_card
from tests.factories import ContractFactory, DriverFactory

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ada(transactional_db: None) -> Driver:
    driver: Driver = DriverFactory()
    ContractFactory(driver=driver)
    return driver


def declined(driver: Driver, at: datetime = NOON) -> DriverMail:
    """A payment of 6.20 was declined at `at`; its mail is written down and not sent."""
    with time_machine.travel(at, tick=False):
        leg: FundingLeg = owe(driver)
        collect_leg(leg_id=leg.pk)
    return DriverMail.objects.latest("pk")


@pytest.fixture
def waiting(ada: Driver) -> DriverMail:
    save_card(ada, "insufficient_funds")
    return declined(ada)


def test_a_mail_exists_exactly_when_its_event_does(ada: Driver) -> None:
    """Killed before any write of the collection, the decline and its mail are both there or both not."""
    save_card(ada, "insufficient_funds")
    number = 1
    while True:
        leg = owe(ada)
        was_killed = kill_before(number, lambda leg_id=leg.pk: collect_leg(leg_id=leg_id))  # type: ignore[misc]
        has_failed = leg.payments.filter(status="failed").exists()
        assert DriverMail.objects.filter(payment__funding_leg=leg).count() == int(has_failed)
        if not was_killed:
            break
        number += 1
    assert number > 5


def test_a_repeated_task_sends_none(waiting: DriverMail) -> None:
    for _repeat in range(3):
        send_mail(waiting.pk)
    sweep_mails()
    assert (len(outbox()), states()) == (1, [("payment_failed", "sent")])


def test_a_lost_task_is_taken_up_by_the_sweep(waiting: DriverMail) -> None:
    with time_machine.travel(NOON, tick=False) as clockwork:
        assert sweep_mails() == 0
        clockwork.shift(MINUTE)
        assert sweep_mails() == 1
        clockwork.shift(MINUTE)
        assert sweep_mails() == 0
    assert (len(outbox()), states()) == (1, [("payment_failed", "sent")])


def test_killed_before_any_write_it_is_sent_once(ada: Driver) -> None:
    save_card(ada, "insufficient_funds")
    ends = []
    number = 1
    while True:
        mail.outbox.clear()
        waiting = declined(ada)
        with time_machine.travel(NOON, tick=False) as clockwork:
            was_killed = kill_before(number, lambda mail_id=waiting.pk: send_mail(mail_id))  # type: ignore[misc]
            for _minute in range(15):
                clockwork.shift(MINUTE)
                sweep_mails()
                send_mail(waiting.pk)
        waiting.refresh_from_db()
        ends.append((len(outbox()), waiting.status))
        if not was_killed:
            break
        number += 1
    # Before the claim nothing had happened; after it the mail had gone out, and only that is not written down.
    assert ends == [(1, "sent"), (1, "unclear"), (1, "sent")]


def test_a_mail_server_that_refuses_is_asked_again_and_then_given_up(waiting: DriverMail, settings: Settings) -> None:
    settings.EMAIL_BACKEND = DEAF
    asked = []
    with time_machine.travel(NOON, tick=False) as clockwork:
        send_mail(waiting.pk)
        for _quarter in range(4 * 48):
            clockwork.shift(15 * MINUTE)
            attempts = DriverMail.objects.get().attempts
            sweep_mails()
            if DriverMail.objects.get().attempts > attempts:
                asked.append(clock.now() - NOON)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts) == ("failed", 6)
    assert waiting.note == "the mail server does not answer"
    assert asked == [timedelta(minutes=minutes) for minutes in (15, 60, 195, 690, 2145)]
    assert outbox() == []


def test_a_mail_server_that_comes_back_gets_it(waiting: DriverMail, settings: Settings) -> None:
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = DEAF
    with time_machine.travel(NOON, tick=False) as clockwork:
        send_mail(waiting.pk)
        settings.EMAIL_BACKEND = working
        send_mail(waiting.pk)
        assert outbox() == []
        clockwork.shift(6 * MINUTE)
        sweep_mails()
    assert states() == [("payment_failed", "sent")]
    (message,) = outbox()
    assert message.extra_headers["Message-ID"].endswith("@127.0.0.1>")


def test_one_that_breaks_stops_no_other(ada: Driver, caplog: pytest.LogCaptureFixture) -> None:
    save_card(ada, "insufficient_funds")
    broken = mails.queue_mail(driver_id=ada.pk, kind="unheard_of", key="unheard of")
    DriverMail.objects.filter(pk=broken.pk).update(next_attempt_at=NOON)
    good = declined(ada)
    with time_machine.travel(NOON + 2 * MINUTE, tick=False):
        sweep_mails()
    good.refresh_from_db()
    assert (good.status, len(outbox())) == ("sent", 1)
    assert f"mail {broken.pk} is left for the next sweep" in caplog.text


def test_without_an_address_it_is_dropped_and_says_why(ada: Driver, waiting: DriverMail) -> None:
    Driver.objects.filter(pk=ada.pk).update(email="")
    send_mail(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.note) == ("dropped", "The customer has no e-mail address.")
    assert outbox() == []


@pytest.mark.postgresql
class TestTwoWorkers:
    THREADS = 8

    def test_send_it_once(self, waiting: DriverMail) -> None:
        race(lambda _index: send_mail(waiting.pk), self.THREADS)
        assert (len(outbox()), states()) == (1, [("payment_failed", "sent")])

    def test_control_without_the_claim_each_sends_it(
        self, waiting: DriverMail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        have_read = threading.Barrier(self.THREADS)

        def without_claim(_index: int) -> None:
            letter = mails.DriverMail.objects.select_related("driver", "payment__method").get(pk=waiting.pk)
            assert letter.status == "queued"
            have_read.wait(timeout=30)
            mail.send_mail("Payment failed", "", None, [letter.driver.email])
            connection.close()

        race(without_claim, self.THREADS)
        assert len(outbox()) == self.THREADS
