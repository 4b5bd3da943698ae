"""Who pays what at a location, and assignments that can never win."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from tariffs.models import TariffAssignment
from tariffs.selectors.assignment_map import assignment_map, shadowed_assignments
from tests.factories import (
    ConnectorFactory,
    ContractTypeFactory,
    CustomerGroupFactory,
    EvseFactory,
    LocationFactory,
    StaffFactory,
    TariffFactory,
    TariffVersionFactory,
    UserFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=300)


def tariff(name, price):
    document = tariff_document(element(component("ENERGY", price)), tax_included="YES")
    return TariffVersionFactory(tariff=TariffFactory(name=name), document=document).tariff


def assign(priced, scope="network", **fields):
    return TariffAssignment.objects.create(tariff=priced, scope=scope, **{"valid_from": LONG_AGO, **fields})


@pytest.fixture
def harbour():
    """Two AC connectors and one HPC; fleets pay less, by card even less; ad hoc has its own price at HPC."""
    VatRateFactory()
    location = LocationFactory()
    point = EvseFactory(charge_point__identity="AC-1", charge_point__location=location).charge_point
    ConnectorFactory(evse=point.evses.get())
    ConnectorFactory(evse=EvseFactory(charge_point=point, number=2))
    ConnectorFactory(hpc=True, evse__charge_point__identity="HPC-1", evse__charge_point__location=location)
    fleets = CustomerGroupFactory(name="Fleets")
    ContractTypeFactory(name="Fleet", customer_group=fleets)
    ContractTypeFactory(name="Pay as you go")
    ContractTypeFactory(name="Wallet", wallet=True)
    assign(tariff("Standard", "0.49"))
    assign(tariff("Fleets", "0.39"), customer_group=fleets)
    assign(tariff("Fleets by card", "0.35"), customer_group=fleets, channel="rfid", power_class="AC")
    assign(tariff("Fast ad hoc", "0.79"), power_class="HPC", channel="ad_hoc")
    return location


def told(location):
    shown = assignment_map(location, at=NOW)
    return [
        ([str(connector) for connector in group.connectors], [(row.customers, row.sentence) for row in group.rows])
        for group in shown.groups
    ]


def test_each_kind_of_customer_has_one_price_at_each_connector(harbour):
    assert told(harbour) == [
        (
            ["AC-1 · 1", "AC-1 · 2"],
            [
                (("Ad hoc, without a contract", "Pay as you go", "Wallet"), "0.49\xa0€/kWh"),
                (("Fleet, by card",), "0.35\xa0€/kWh"),
                (("Fleet, in the app",), "0.39\xa0€/kWh"),
            ],
        ),
        (
            ["HPC-1 · 1"],
            [
                (("Ad hoc, without a contract",), "0.79\xa0€/kWh"),
                (("Fleet",), "0.39\xa0€/kWh"),
                (("Pay as you go", "Wallet"), "0.49\xa0€/kWh"),
            ],
        ),
    ]


def test_the_reason_is_there_for_each_kind_of_customer(harbour):
    standard, by_card, _in_app = assignment_map(harbour, at=NOW).groups[0].rows
    assert [reason.customers for reason in standard.reasons] == [standard.customers]
    assert {entry["why"] for entry in standard.reasons[0].trace} == {
        "Applies: the most specific assignment that fits.",
        "For another customer group.",
        "For another power class.",
    }
    assert {entry["why"] for entry in by_card.reasons[0].trace} == {
        "Applies: the most specific assignment that fits.",
        "Fits, but another one names the power class.",
        "For another power class.",
    }


def test_where_nothing_applies_it_says_that_charging_cannot_start(harbour):
    TariffAssignment.objects.all().delete()
    ((_connectors, rows), _hpc) = told(harbour)
    assert rows == [
        (
            ("Ad hoc, without a contract", "Fleet", "Pay as you go", "Wallet"),
            "No tariff applies: charging cannot start. Assign one.",
        )
    ]


def test_the_number_of_queries_does_not_grow(harbour, django_assert_num_queries):
    with django_assert_num_queries(6):
        assignment_map(harbour, at=NOW)
    for _ in range(4):
        ContractTypeFactory()
        ConnectorFactory(evse__charge_point__location=harbour)
        assign(tariff("Another", "0.59"), "location", location=harbour)
    with django_assert_num_queries(7):
        assignment_map(harbour, at=NOW)


def test_an_assignment_that_never_wins_is_named():
    place = LocationFactory()
    winner = assign(tariff("Strong", "0.49"), "location", location=place, priority=1)
    loser = assign(tariff("Weak", "0.39"), "location", location=place)
    (shadow,) = shadowed_assignments(at=NOW)
    assert (shadow.assignment, shadow.by) == (loser, winner)
    assert shadow.words == (
        "“Weak at Harbour” never applies: “Strong at Harbour” has a higher priority for the same customers and time."
    )


def test_a_full_tie_is_named():
    assign(tariff("First", "0.49"))
    assign(tariff("Second", "0.39"))
    (shadow,) = shadowed_assignments(at=NOW)
    assert shadow.words == (
        "“First at the whole network” never applies: “Second at the whole network” is for the same customers and time, "
        "and was entered later."
    )


@pytest.mark.parametrize(
    "other",
    [
        {"scope": "country", "country": "DE"},
        {"power_class": "AC"},
        {"channel": "app"},
        {"valid_until": NOW + timedelta(days=1)},
        {"valid_from": NOW},
        {"valid_until": NOW},
    ],
    ids=["narrower place", "power class", "channel", "ends earlier", "begins later", "over"],
)
def test_what_still_has_its_place_or_time_is_not_named(other):
    assign(tariff("Plain", "0.49"))
    assign(tariff("Other", "0.39"), **({"priority": 9} | other))
    assert shadowed_assignments(at=NOW) == []


def test_a_tariff_without_prices_shadows_nothing():
    assign(tariff("Plain", "0.49"))
    assign(TariffFactory(), priority=9)
    assert shadowed_assignments(at=NOW) == []


def test_the_page_is_for_staff_who_may_see_assignments(harbour, client):
    page = reverse("admin:tariffs_tariffassignment_map", args=[harbour.pk])
    locations = reverse("admin:tariffs_tariffassignment_locations")
    for address in (page, locations):
        assert client.get(address).status_code == 302
    client.force_login(UserFactory(is_staff=True))
    for address in (page, locations):
        assert client.get(address).status_code == 403
    client.force_login(StaffFactory())
    assert "Fleet, by card" in client.get(page).content.decode()
    assert page in client.get(locations).content.decode()
    assert client.get(reverse("admin:tariffs_tariffassignment_map", args=[0])).status_code == 404


def test_the_list_of_assignments_names_the_dead_ones(client):
    client.force_login(StaffFactory())
    assign(tariff("First", "0.49"))
    assign(tariff("Second", "0.39"))
    page = client.get(reverse("admin:tariffs_tariffassignment_changelist")).content.decode()
    assert "“First at the whole network” never applies" in page
