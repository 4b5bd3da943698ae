"""A stranger's link opens nothing, and does not even tell that the thing exists."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Driver
from tests.config.site.reading import text
from tests.config.site.world import card_of, lot_of, running_session, settled_session
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db

SESSION_PAGES = ("session_detail", "session_live")


@pytest.mark.parametrize("name", SESSION_PAGES)
def test_a_session_opens_for_its_driver_only(ada: Driver, stranger: Driver, browse, name: str) -> None:
    for session in (running_session(ada), settled_session(ada)):
        address = reverse(name, args=[session.public_id])
        assert browse(ada).get(address).status_code == 200
        assert browse(stranger).get(address).status_code == 404
        assert Client().get(address).status_code == 302


@pytest.mark.parametrize("name", SESSION_PAGES)
def test_an_unknown_session_answers_as_a_stranger_s_does(ada: Driver, browse, name: str) -> None:
    assert browse(ada).get(reverse(name, args=[uuid.uuid4()])).status_code == 404


def test_a_stranger_cannot_stop_a_session(ada: Driver, stranger: Driver, browse) -> None:
    session = running_session(ada)
    assert browse(stranger).post(reverse("session_stop", args=[session.public_id])).status_code == 404
    assert Client().post(reverse("session_stop", args=[session.public_id])).status_code == 302
    session.refresh_from_db()
    assert session.stop_requested_at is None


def test_staff_without_a_driver_see_no_driver_s_session_here(ada: Driver) -> None:
    browser = Client()
    browser.force_login(StaffFactory(), backend="django.contrib.auth.backends.ModelBackend")
    page = browser.get(reverse("session_detail", args=[settled_session(ada).public_id]))
    assert "not as a driver" in text(page)
    assert "Why this price" not in text(page)


@pytest.mark.parametrize("action", ["payment_method_default", "payment_method_remove"])
def test_a_stranger_s_card_is_out_of_reach(ada: Driver, stranger: Driver, browse, action: str) -> None:
    card = card_of(ada)
    assert browse(stranger).post(reverse(action, args=[card.pk])).status_code == 404
    card.refresh_from_db()
    assert card.status == "active"


def test_lists_hold_the_own_rows_only(ada: Driver, stranger: Driver, browse) -> None:
    lot_of(ada, "77.00")
    card_of(ada)
    session = settled_session(ada)
    browser = browse(stranger)
    for name in ("home", "sessions", "wallet", "payment_methods", "receipts", "charge"):
        page = text(browser.get(reverse(name)))
        assert "77.00" not in page
        assert "4242" not in page
        assert str(session.public_id) not in page
