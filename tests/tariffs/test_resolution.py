"""The most specific place wins, then the customer, then priority, then the newest; nothing found is an error."""

from datetime import UTC, datetime, timedelta

import pytest

from tariffs.errors import NoTariff, NoVatRate
from tariffs.models import TariffAssignment
from tariffs.selectors.in_force import version_in_force
from tariffs.selectors.resolution import resolve_tariff
from tariffs.selectors.vat import vat_percent
from tariffs.trace_words import trace_rows
from tests.factories import (
    ConnectorFactory,
    ContractFactory,
    CustomerGroupFactory,
    NetworkAssignmentFactory,
    TariffVersionFactory,
    VatRateFactory,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def assign(scope="network", **fields):
    version = TariffVersionFactory()
    return TariffAssignment.objects.create(
        tariff=version.tariff, scope=scope, **{"valid_from": NOW - timedelta(days=30), **fields}
    )


def resolve(connector, contract=None, channel="rfid", at=NOW):
    return resolve_tariff(connector=connector, contract=contract, channel=channel, at=at)


def test_each_narrower_place_beats_the_wider_one_whatever_the_priority():
    connector = ConnectorFactory()
    location = connector.charge_point.location
    places = [
        ("network", {}),
        ("country", {"country": "DE"}),
        ("region", {"region": location.region}),
        ("location", {"location": location}),
        ("charge_point", {"charge_point": connector.charge_point}),
        ("connector", {"connector": connector}),
    ]
    for rank, (scope, place) in enumerate(places):
        narrower = assign(scope, priority=100 - rank, **place)
        assert resolve(connector).assignment == narrower


def test_another_place_is_no_candidate_at_all():
    connector, other = ConnectorFactory(), ConnectorFactory()
    network = assign()
    assign("charge_point", charge_point=other.charge_point)
    resolution = resolve(connector)
    assert resolution.assignment == network
    assert [row["result"] for row in resolution.trace] == ["applies"]


def test_at_one_place_the_customer_decides_then_priority_then_the_newest():
    connector = ConnectorFactory(hpc=True)
    group = CustomerGroupFactory()
    contract = ContractFactory(driver__customer_group=group)
    older = assign(valid_from=NOW - timedelta(days=60))
    assert resolve(connector, contract).assignment == older
    newer = assign()
    assert resolve(connector, contract).assignment == newer
    preferred = assign(priority=1, valid_from=NOW - timedelta(days=90))
    assert resolve(connector, contract).assignment == preferred
    by_channel = assign(channel="rfid")
    assert resolve(connector, contract).assignment == by_channel
    by_group = assign(customer_group=group)
    assert resolve(connector, contract).assignment == by_group
    by_type = assign(contract_type=contract.contract_type)
    assert resolve(connector, contract).assignment == by_type
    by_power = assign(power_class="HPC")
    assert resolve(connector, contract).assignment == by_power


def test_the_trace_says_why_each_other_lost():
    connector = ConnectorFactory()
    winner = assign("location", location=connector.charge_point.location)
    losers = {
        assign().pk: "less_specific",
        assign(valid_from=NOW + timedelta(seconds=1)).pk: "not_yet_valid",
        assign(valid_from=NOW - timedelta(days=2), valid_until=NOW).pk: "no_longer_valid",
        assign(power_class="DC").pk: "other_power_class",
        assign(channel="ad_hoc").pk: "other_channel",
        assign(customer_group=CustomerGroupFactory()).pk: "other_customer_group",
        assign(contract_type=ContractFactory().contract_type).pk: "other_contract_type",
    }
    trace = resolve(connector).trace
    assert (trace[0]["assignment"], trace[0]["result"]) == (winner.pk, "applies")
    assert {row["assignment"]: row["result"] for row in trace[1:]} == losers


def test_equals_are_told_apart_by_priority_and_age_and_the_trace_says_so():
    connector = ConnectorFactory()
    winner = assign(priority=5, valid_from=NOW - timedelta(days=5))
    weaker = assign(priority=4)
    older = assign(priority=5, valid_from=NOW - timedelta(days=9))
    entered_first = assign(priority=5, valid_from=NOW - timedelta(days=9))
    trace = resolve(connector).trace
    assert [(row["assignment"], row["result"], row.get("decided_by")) for row in trace] == [
        (winner.pk, "applies", None),
        (entered_first.pk, "older", "valid_from"),
        (older.pk, "older", "valid_from"),
        (weaker.pk, "lower_priority", "priority"),
    ]


def test_a_stored_trace_is_read_in_words_without_the_rows_it_is_about():
    connector = ConnectorFactory()
    location = connector.charge_point.location
    fleets = CustomerGroupFactory(name="Fleets")
    assign("location", location=location)
    assign()
    assign(power_class="DC", channel="app", customer_group=fleets)
    assign(valid_from=NOW - timedelta(days=20), valid_until=NOW - timedelta(days=10))
    assign("country", country="DE", valid_from=NOW + timedelta(days=10))
    trace = resolve(connector).trace
    TariffAssignment.objects.all().delete()
    assert {(row["place"], row["only"], row["why"]) for row in trace_rows(trace)} == {
        ("Location: Harbour", "", "Applies: the most specific assignment that fits."),
        ("Whole network", "", "Fits, but another one names a narrower place."),
        ("Whole network", "DC, Fleets, App or site", "For another power class."),
        ("Whole network", "", "No longer valid at that moment. It ended 10 Nov 2026."),
        ("Country: DE", "", "Not valid yet at that moment. It begins 30 Nov 2026."),
    }


def test_who_has_no_contract_belongs_to_the_public_group():
    connector = ConnectorFactory()
    public = CustomerGroupFactory(name="Public", is_public=True)
    everybody = assign()
    for_the_public = assign(customer_group=public)
    assert resolve(connector, channel="ad_hoc").assignment == for_the_public
    assert resolve(connector, ContractFactory()).assignment == everybody
    private = CustomerGroupFactory(name="Private")
    for_residents = assign(customer_group=private)
    assert resolve(connector, ContractFactory(driver__customer_group=private)).assignment == for_residents


def test_a_tariff_without_a_published_version_is_passed_over_and_named():
    connector = ConnectorFactory()
    network = assign()
    draft = assign("connector", connector=connector)
    unpublished = NetworkAssignmentFactory(priority=9)
    resolution = resolve(connector)
    assert resolution.assignment == draft
    assert {row["assignment"]: row["result"] for row in resolution.trace} == {
        draft.pk: "applies",
        unpublished.pk: "no_published_version",
        network.pk: "less_specific",
    }


def test_the_version_in_force_is_the_latest_that_has_begun():
    connector = ConnectorFactory()
    assignment = assign()
    second = TariffVersionFactory(tariff=assignment.tariff, number=2, valid_from=NOW)
    TariffVersionFactory(tariff=assignment.tariff, number=3, valid_from=NOW + timedelta(seconds=1))
    assert resolve(connector).version == second
    assert resolve(connector, at=NOW - timedelta(seconds=1)).version.number == 1


def test_a_tariff_that_has_ended_prices_nothing_and_no_older_price_comes_back():
    connector = ConnectorFactory()
    network = assign()
    here = assign("location", location=connector.charge_point.location)
    ended = TariffVersionFactory(
        tariff=here.tariff, number=2, valid_from=NOW - timedelta(days=9), valid_until=NOW - timedelta(days=1)
    )
    resolution = resolve(connector)
    assert resolution.assignment == network
    assert resolution.trace[1]["result"] == "no_published_version"
    assert resolve(connector, at=NOW - timedelta(days=2)).version == ended
    assert version_in_force(here.tariff_id, NOW) is None
    assert version_in_force(here.tariff_id, NOW - timedelta(days=10)).number == 1
    follows = TariffVersionFactory(tariff=here.tariff, number=3, valid_from=ended.valid_until)
    assert resolve(connector).version == follows


def test_no_tariff_is_an_error_never_free():
    with pytest.raises(NoTariff):
        resolve(ConnectorFactory())


def test_resolving_takes_two_queries_however_many_candidates(django_assert_num_queries):
    connector = ConnectorFactory()
    for _ in range(8):
        assign()
    with django_assert_num_queries(2):
        resolve(connector)


def test_the_vat_rate_is_the_one_of_the_day():
    VatRateFactory(country="DE", percent="19", valid_from="2021-01-01")
    VatRateFactory(country="DE", percent="16", valid_from="2020-07-01")
    assert vat_percent("DE", datetime(2020, 12, 31, tzinfo=UTC).date()) == 16
    assert vat_percent("DE", NOW.date()) == 19
    with pytest.raises(NoVatRate):
        vat_percent("DE", datetime(2020, 6, 30, tzinfo=UTC).date())
