"""What anybody sees: where one can charge and what it costs, before logging in."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Driver
from locations.models import Connector
from tests.config.site.reading import text
from tests.config.site.world import driver_with, reachable_connector
from tests.factories import (
    ChargePointFactory,
    ConnectorFactory,
    CustomerGroupFactory,
    EvseFactory,
    LocationFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db


def test_the_start_page_says_what_this_is_and_leads_on(client: Client, network, settings) -> None:
    settings.OPERATOR_NAME = "Stadtwerke Testhausen"
    reachable_connector(evse__charge_point__location__name="Harbour garage")

    page = client.get(reverse("start"))

    assert page.status_code == 200
    for words in (
        "Stadtwerke Testhausen runs 1 place to charge",
        "Know the price before you plug in.",
        "Harbour garage",
        "1 of 1 free",
        reverse("account_login"),
        reverse("account_signup"),
        reverse("stations"),
    ):
        assert words in text(page)


def test_whoever_is_logged_in_starts_at_home(ada: Driver, browse) -> None:
    assert browse(ada).get(reverse("start")).headers["Location"] == reverse("home")


@pytest.mark.parametrize("search", ["harbour", "Hafenstraße", "10115", "berlin harbour"])
def test_stations_are_found_by_name_street_city_and_postal_code(client: Client, network, search: str) -> None:
    reachable_connector()
    reachable_connector(
        evse__charge_point__location__name="Market",
        evse__charge_point__location__address="Marktplatz 1",
        evse__charge_point__location__postal_code="80331",
        evse__charge_point__location__city="Munich",
    )

    page = client.get(reverse("stations"), {"q": search})

    assert "Harbour" in text(page)
    assert "Market" not in text(page)


def test_stations_are_found_by_the_code_on_the_label(client: Client, network) -> None:
    reachable_connector(code="ABC23456", evse__charge_point__location__name="Harbour")
    reachable_connector(evse__charge_point__location__name="Market")

    page = client.get(reverse("stations"), {"q": "abc23456"})

    assert "Harbour" in text(page)
    assert "Market" not in text(page)


def test_a_search_without_result_says_what_to_do(client: Client, network) -> None:
    response = client.get(reverse("stations"), {"q": "<Atlantis>"})
    page = text(response)
    assert b"<Atlantis>" not in response.content
    assert "No station matches “<Atlantis>”." in page
    assert "Show all stations" in page


def test_typing_swaps_the_rows_only(client: Client, network) -> None:
    reachable_connector()
    rows = client.get(reverse("stations"), {"q": "har"}, headers={"HX-Request": "true"})
    assert rows.templates[0].name == "site/parts/station_rows.html"
    assert "<html" not in text(rows)


def test_hidden_locations_and_retired_charge_points_are_not_shown(client: Client, network) -> None:
    hidden = reachable_connector(evse__charge_point__location__is_public=False)
    retired = reachable_connector(evse__charge_point__admission="retired", evse__charge_point__location__name="Old")

    assert "There is no public station yet." in text(client.get(reverse("stations")))
    assert client.get(reverse("station", args=[hidden.charge_point.location.code])).status_code == 404
    assert client.get(reverse("connector_qr", args=[retired.code])).status_code == 404


@pytest.mark.parametrize(
    ("status", "is_connected", "words"),
    [
        (Connector.Status.AVAILABLE, True, "Free"),
        (Connector.Status.CHARGING, True, "In use"),
        (Connector.Status.FAULTED, True, "Out of order"),
        (Connector.Status.AVAILABLE, False, "Not reachable"),
    ],
)
def test_a_station_shows_each_connector_s_state_and_gross_price(
    client: Client, network, status: str, is_connected: bool, words: str
) -> None:
    connector = ConnectorFactory(evse__charge_point__is_connected=is_connected, status=status)

    page = text(client.get(reverse("station", args=[connector.charge_point.location.code])))

    for expected in ("Type 2, 11 kW", words, "0.476 €/kWh", "All prices include VAT (19 %).", connector.code):
        assert expected in page


def test_a_connector_without_a_price_says_so_and_offers_no_start(client: Client, ada: Driver, browse) -> None:
    abroad = reachable_connector(evse__charge_point__location__country="FR")
    page = text(browse(ada).get(reverse("connector_qr", args=[abroad.code])))
    assert "There is no price for this connector yet" in page
    assert "Start charging" not in page


def test_the_qr_page_tells_a_stranger_how_to_start(client: Client, network) -> None:
    connector = reachable_connector()

    page = text(client.get(reverse("connector_qr", args=[connector.code.lower()])))

    assert "0.476 €/kWh" in page
    assert "hold the card to the charge point" in page
    assert f"{reverse('account_login')}?next=/c/{connector.code.lower()}/" in page
    assert reverse("connector_start", args=[connector.code]) not in page


def test_the_qr_page_shows_a_driver_the_price_of_the_own_contract(client: Client, network, browse) -> None:
    fleet = driver_with(email="cora@example.org", name="Cora")
    fleet.customer_group = CustomerGroupFactory(name="Fleets")
    fleet.save()
    cheap = TariffVersionFactory(document=tariff_document(element(component("ENERGY", "0.30"))))
    NetworkAssignmentFactory(tariff=cheap.tariff, customer_group=fleet.customer_group)
    connector = reachable_connector()
    address = reverse("connector_qr", args=[connector.code])

    assert "0.476 €/kWh" in text(client.get(address))
    mine = text(browse(fleet).get(address))
    assert "0.357 €/kWh" in mine
    assert "Your price with “Pay as you go”" in mine
    assert "Start charging" in mine


def test_the_list_and_a_station_take_as_many_queries_for_five_as_for_one(
    client: Client, network, django_assert_num_queries
) -> None:
    location = LocationFactory()
    address = reverse("station", args=[location.code])

    def add(count: int) -> None:
        for _ in range(count):
            evse = EvseFactory(charge_point=ChargePointFactory(location=location))
            ConnectorFactory(evse=evse)
            reachable_connector()

    add(1)
    for _ in range(2):
        # count, rows
        with django_assert_num_queries(2):
            client.get(reverse("stations"))
        # location, connectors, open access, assignments, versions, VAT rates
        with django_assert_num_queries(6):
            client.get(address)
        add(4)
