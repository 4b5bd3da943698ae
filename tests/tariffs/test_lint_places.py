"""What is known of the places a tariff is assigned to decides what is wrong with it; publishing asks for a decision."""

from datetime import UTC, datetime

import pytest
from django.utils import translation

from accounts.models import AuditEvent
from locations.models import ChargePointModel
from tariffs.errors import TariffNotPublishable
from tariffs.models import TariffAssignment, TariffVersion
from tariffs.selectors.lint import findings_for
from tariffs.services.versions import draft_version, publish_version
from tests.factories import (
    LONG_AGO,
    ConnectorFactory,
    ContractTypeFactory,
    CustomerGroupFactory,
    LocationFactory,
    RegionFactory,
    StaffFactory,
    TariffFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db

ENERGY = element(component("ENERGY", "0.49"))
START_FEE = element(component("FLAT", "1"))
NIGHT = element(component("ENERGY", "0.39"), start_time="22:00", end_time="06:00")
BY_DAY = element(component("ENERGY", "0.49"), start_time="08:00", end_time="20:00")
SPOT = {"series": "DE-LU", "fallback": 1, "floor": 0}


def draft(*elements, **fields):
    return draft_version(tariff_id=TariffFactory().pk, ocpi_text=tariff_document(*elements, **fields))


def assign(tariff, scope="network", **fields):
    return TariffAssignment.objects.create(tariff=tariff, scope=scope, valid_from=LONG_AGO, **fields)


def codes(version):
    return [(finding.code, finding.severity) for finding in findings_for(version)]


def test_only_countries_of_its_own_places_need_a_vat_rate():
    VatRateFactory(country="DE")
    ConnectorFactory(evse__charge_point__location__country="NL", evse__charge_point__location__region__country="NL")
    berlin = ConnectorFactory().charge_point.location
    version = draft(ENERGY)
    assert codes(version) == []
    row = assign(version.tariff, "location", location=berlin)
    assert codes(version) == []
    row.delete()
    assign(version.tariff)
    (finding,) = findings_for(version)
    assert (finding.code, finding.values["countries"]) == ("vat_missing", "NL")


def test_ad_hoc_rules_hold_where_an_ad_hoc_customer_pays_this_tariff():
    VatRateFactory()
    ConnectorFactory(hpc=True)
    ConnectorFactory()
    version = draft(ENERGY, START_FEE)
    assignment = assign(version.tariff)
    assert codes(version) == [("ad_hoc_component", "error")]
    other = draft(ENERGY)
    ad_hoc = assign(other.tariff, power_class="HPC", channel="ad_hoc")
    assert codes(version) == []
    ad_hoc.delete()
    for only_for in ({"channel": "rfid"}, {"power_class": "AC"}, {"customer_group": CustomerGroupFactory()}):
        TariffAssignment.objects.filter(pk=assignment.pk).delete()
        assignment = assign(version.tariff, **only_for)
        assert codes(version) == []


@pytest.mark.parametrize("place", [{"is_public": False}, {"country": "CH"}])
def test_ad_hoc_rules_do_not_reach_yards_and_other_countries(place):
    VatRateFactory(country="CH")
    VatRateFactory(country="DE")
    ConnectorFactory(hpc=True, evse__charge_point__location=LocationFactory(**place))
    version = draft(ENERGY, START_FEE)
    assign(version.tariff)
    assert codes(version) == []


def test_a_slow_connector_at_the_same_place_may_cost_a_start_fee():
    VatRateFactory()
    slow = ConnectorFactory()
    ConnectorFactory(dc=True, evse__number=2, evse__charge_point=slow.charge_point)
    version = draft(ENERGY, START_FEE)
    assign(version.tariff, "charge_point", charge_point=slow.charge_point, power_class="AC")
    assert codes(version) == []
    assign(version.tariff, "charge_point", charge_point=slow.charge_point)
    assert codes(version) == [("ad_hoc_component", "error")]


def test_what_is_known_of_a_model_holds_for_its_charge_points():
    VatRateFactory()
    model = ChargePointModel.objects.create(
        vendor="Elektra", name="Old", clock_may_be_used=False, reports_current=False
    )
    point = ConnectorFactory(evse__charge_point__model=model).charge_point
    version = draft(NIGHT, element(component("ENERGY", "0.39"), min_current=16), ENERGY)
    assert codes(version) == []
    assign(version.tariff, "region", region=point.location.region)
    assert codes(version) == [("clock_not_allowed", "error"), ("current_not_reported", "warning")]
    assert point.identity in findings_for(version)[0].words


def test_currencies_of_contracts_and_series():
    VatRateFactory()
    version = draft(ENERGY, voltledger={"spot": SPOT})
    assign(version.tariff, contract_type=ContractTypeFactory(currency="CHF"))
    assert codes(version) == [("currency_mix", "error"), ("series_unknown", "error")]


def test_an_assignment_that_is_over_says_nothing():
    version = draft(ENERGY)
    assign(version.tariff, "country", country="NL", valid_until=datetime(2025, 1, 1, tzinfo=UTC))
    assert codes(version) == []


def test_an_assigned_tariff_that_ends_by_itself_says_what_comes_then():
    VatRateFactory()
    version = draft(ENERGY, end_date_time="2099-01-01T00:00:00Z")
    assert codes(version) == []
    assign(version.tariff)
    assert codes(version) == [("ends_without_successor", "warning")]
    assert "ends on 1 Jan 2099" in findings_for(version)[0].words
    with pytest.raises(TariffNotPublishable):
        publish_version(version_id=version.pk)
    start = "2098-12-31T23:00:00Z"
    follows = draft_version(tariff_id=version.tariff_id, ocpi_text=tariff_document(ENERGY, start_date_time=start))
    publish_version(version_id=follows.pk)
    assert codes(version) == []
    assert codes(draft(ENERGY, end_date_time="2020-01-01T00:00:00Z")) == [("tariff_over", "error")]


def test_the_number_of_queries_does_not_grow_with_the_network(django_assert_max_num_queries):
    VatRateFactory()
    version = draft(ENERGY, voltledger={"spot": SPOT})
    for _ in range(3):
        place = LocationFactory(region=RegionFactory())
        for _ in range(3):
            assign(version.tariff, "location", location=place, contract_type=ContractTypeFactory(currency="CHF"))
            ConnectorFactory(hpc=True, evse__charge_point__location=place)
    with django_assert_max_num_queries(5):
        assert len(findings_for(version)) == 2


def test_the_days_of_a_gap_are_told_in_the_reader_s_language():
    version = draft(element(component("ENERGY", "0.30"), day_of_week=["MONDAY", "TUESDAY", "WEDNESDAY", "FRIDAY"]))
    with translation.override("de"):
        (finding,) = findings_for(version)
    assert "Do, Sa, So 00:00–24:00" in finding.words


# --- Publishing ---------------------------------------------------------------------------------------------------


def test_an_error_blocks_whatever_is_accepted_and_nothing_changes():
    version = draft(ENERGY, NIGHT)
    with pytest.raises(TariffNotPublishable) as refusal:
        publish_version(version_id=version.pk, accepted=("unreachable_element",))
    (finding,) = refusal.value.findings
    assert (finding.code, finding.path) == ("unreachable_element", "tariff.elements[1]")
    assert refusal.value.details == (f"{finding.path}: {finding.words}",)
    version.refresh_from_db()
    assert (version.status, version.published_at) == (TariffVersion.Status.DRAFT, None)
    assert not AuditEvent.objects.filter(action="tariff_published").exists()


def test_each_warning_is_accepted_by_name_and_the_audit_trail_says_by_whom():
    otto = StaffFactory()
    version = draft(BY_DAY, element(component("PARKING_TIME", "6"), min_duration=3600))
    keys = [finding.key for finding in findings_for(version)]
    assert keys == ["gap tariff.elements ENERGY", "gap tariff.elements PARKING_TIME"]
    with pytest.raises(TariffNotPublishable) as refusal:
        publish_version(version_id=version.pk, actor_id=otto.pk, accepted=keys[:1])
    assert [finding.key for finding in refusal.value.findings] == keys[1:]
    assert publish_version(version_id=version.pk, actor_id=otto.pk, accepted=keys).status == "published"
    event = AuditEvent.objects.get(action="tariff_published", actor=otto)
    assert [(entry["code"], entry["path"]) for entry in event.data["accepted_warnings"]] == [
        ("gap", "tariff.elements"),
        ("gap", "tariff.elements"),
    ]
    assert "PARKING_TIME has no price: below 1 h" in event.data["accepted_warnings"][1]["words"]


def test_a_code_accepts_all_warnings_of_its_kind():
    version = draft(BY_DAY, element(component("PARKING_TIME", "6"), min_duration=3600))
    assert publish_version(version_id=version.pk, accepted=("gap",)).status == "published"
    event = AuditEvent.objects.get(action="tariff_published")
    assert len(event.data["accepted_warnings"]) == 2


def test_a_repeat_checks_nothing_again():
    version = publish_version(version_id=draft(BY_DAY).pk, accepted=("gap",))
    assert publish_version(version_id=version.pk) == version
