"""Starting and stopping from the phone: what is asked of the charge point, and what a refusal says."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Driver
from billing.models import ChargingSession
from locations.models import Connector
from ocpp_gateway.models import Command
from tests.config.site.reading import text, words
from tests.config.site.world import MORNING, card_of, reachable_connector, running_session, settled_session
from tests.factories import ConnectorFactory

pytestmark = pytest.mark.django_db


def press_start(browser: Client, connector: Connector):
    return browser.post(reverse("connector_start", args=[connector.code]))


def test_start_asks_the_charge_point_and_opens_the_session(ada: Driver, browse) -> None:
    card_of(ada)
    connector = reachable_connector()

    answer = press_start(browse(ada), connector)

    session = ChargingSession.objects.get()
    assert answer.headers["Location"] == reverse("session_detail", args=[session.public_id])
    assert (session.status, session.driver, session.connector, session.channel) == ("requested", ada, connector, "app")
    assert Command.objects.get().action == "RemoteStartTransaction"
    assert "The charge point has been asked to start." in words(browse(ada).get(answer.headers["Location"]))


def test_a_second_press_starts_nothing_twice(ada: Driver, browse) -> None:
    card_of(ada)
    connector = reachable_connector()
    first, second = press_start(browse(ada), connector), press_start(browse(ada), connector)
    assert first.headers["Location"] == second.headers["Location"]
    assert Command.objects.count() == 1


def test_without_a_card_the_page_says_so_and_where_to_add_one(ada: Driver, browse) -> None:
    refused = press_start(browse(ada), reachable_connector())

    assert refused.status_code == 409
    page = words(refused)
    assert "Charging did not start. Nothing was charged." in page
    assert "There is no card to pay with." in page
    assert f'<a href="{reverse("payment_methods")}">Go to your cards</a>' in text(refused)
    assert not ChargingSession.objects.exists()
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"status": Connector.Status.FAULTED}, "This connector cannot be used at the moment."),
        ({"evse__charge_point__is_connected": False}, "This charge point cannot be reached at the moment."),
    ],
)
def test_a_connector_out_of_order_refuses_in_plain_words(
    ada: Driver, browse, options: dict[str, object], sentence: str
) -> None:
    card_of(ada)
    options = {"evse__charge_point__is_connected": True, "status": Connector.Status.AVAILABLE, **options}
    refused = press_start(browse(ada), ConnectorFactory(**options))
    assert refused.status_code == 409
    assert sentence in words(refused)


def test_a_busy_connector_refuses_a_second_driver(ada: Driver, stranger: Driver, browse) -> None:
    card_of(stranger)
    connector = reachable_connector()
    running_session(ada, connector)
    refused = press_start(browse(stranger), connector)
    assert refused.status_code == 409
    assert "Somebody is charging at this connector." in words(refused)


def test_unpaid_debt_refuses_and_leads_to_where_it_is_paid(ada: Driver, browse) -> None:
    card_of(ada)
    settled_session(ada).cdr.legs.update(state="retrying")
    refused = press_start(browse(ada), reachable_connector())
    assert "An earlier session is not paid yet." in words(refused)
    assert reverse("payment_methods") in text(refused)


def test_nobody_starts_without_logging_in(client: Client, network) -> None:
    connector = reachable_connector()
    assert press_start(client, connector).headers["Location"].startswith(reverse("account_login"))
    assert not Command.objects.exists()


def test_stop_asks_the_charge_point_once(ada: Driver, browse) -> None:
    session = running_session(ada)
    browser = browse(ada)
    for _ in range(2):
        page = browser.post(reverse("session_stop", args=[session.public_id]), follow=True)
    assert "The charge point has been asked to stop." in words(page)
    assert "Stop charging" not in words(page)
    assert Command.objects.filter(action="RemoteStopTransaction").count() == 1


def test_stopping_what_has_ended_says_so(ada: Driver, browse) -> None:
    session = settled_session(ada)
    page = browse(ada).post(reverse("session_stop", args=[session.public_id]), follow=True)
    assert "This session has already ended." in words(page)


def test_the_label_s_code_goes_straight_to_its_connector(ada: Driver, browse) -> None:
    connector = reachable_connector(code="ABC23456")
    answer = browse(ada).get(reverse("charge"), {"q": " abc23456 "})
    assert answer.headers["Location"] == reverse("connector_qr", args=[connector.code])


def test_charge_offers_the_places_of_last_time(ada: Driver, browse) -> None:
    for number in range(3):
        place = reachable_connector(evse__charge_point__location__name=f"Place {number}")
        settled_session(ada, connector=place)
        settled_session(ada, connector=place, started_at=MORNING - timedelta(days=1))
    page = browse(ada).get(reverse("charge"))
    assert [location.connector_count for location in page.context["recent"]] == [1, 1, 1]
    assert [location.name for location in page.context["recent"]] == ["Place 2", "Place 1", "Place 0"]
    assert "Where you charged last" in text(page)
