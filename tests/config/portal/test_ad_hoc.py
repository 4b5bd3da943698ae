"""Who charged without an account, as staff see it."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from billing.models import AdHocSession
from billing.selectors.ad_hoc import link_of
from tests.billing.ad_hoc.world import agreed, catch_up, charging, paid, session_of
from tests.billing.sessions.conftest import NOON, stand_with
from tests.config.portal.staff import browser_of

pytestmark = pytest.mark.django_db


def test_the_list_says_what_became_of_each_and_a_caller_gets_their_page_back() -> None:
    with time_machine.travel(NOON, tick=False) as now:
        stand = stand_with()
        late, order = agreed(stand.connector), charging(stand, email="someone@example.org")
        now.shift(timedelta(minutes=90))
        stand.stop(session_of(order).pk, 90, "13025")
        catch_up()
        paid(stand.connector)
        now.move_to(NOON + timedelta(minutes=92))
        support = browser_of("Support")
        page = support.get(reverse("admin:billing_adhocsession_changelist")).content.decode()
        assert all(words in page for words in ("Ended", "No card came", "Waiting for the charge point", "25.00"))
        own = support.get(reverse("admin:billing_adhocsession_change", args=[order.pk])).content.decode()
        assert reverse("ad_hoc", args=[link_of(order)]) in own
        assert "someone@example.org" in own
        session = support.get(reverse("admin:billing_chargingsession_change", args=[session_of(order).pk]))
        assert "Without an account" in session.content.decode()
        assert AdHocSession.objects.filter(pk=late.pk, charging_session=None).exists()


def test_nobody_writes_it_by_hand_and_not_everybody_reads_it() -> None:
    stand = stand_with()
    order = agreed(stand.connector)
    owner = browser_of("Owner")
    assert owner.get(reverse("admin:billing_adhocsession_add")).status_code == 403
    page = reverse("admin:billing_adhocsession_change", args=[order.pk])
    owner.post(page, {"email": "mallory@example.org"})
    assert AdHocSession.objects.get().email == ""
    assert browser_of("Operations").get(page).status_code == 403
    assert Client().get(page).status_code == 302
