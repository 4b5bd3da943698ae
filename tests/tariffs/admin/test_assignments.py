"""Assigning a published tariff in the portal: what is not allowed is refused, what is doubtful is ticked by name.

Both for the tariff itself and for what its assignment kept from counting until then.
"""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import AuditEvent
from common import clock
from locations.models import ChargePointModel
from tariffs.models import TariffAssignment
from tariffs.selectors.assignment_change import findings_elsewhere
from tests.factories import (
    LONG_AGO,
    ConnectorFactory,
    ContractFactory,
    ContractTypeFactory,
    CustomerGroupFactory,
    DriverFactory,
    LocationFactory,
    StaffFactory,
    TariffVersionFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db

ADD = reverse("admin:tariffs_tariffassignment_add")
ENERGY = tariff_document(element(component("ENERGY", "0.49")))
WITH_START_FEE = tariff_document(element(component("ENERGY", "0.49")), element(component("FLAT", "1")))


@pytest.fixture
def otto(client):
    client.force_login(StaffFactory())
    return client


def published(document: str = WITH_START_FEE):
    return TariffVersionFactory(document=document)


def assign(version, **fields):
    terms = {"scope": "network", "valid_from": LONG_AGO} | fields
    return TariffAssignment.objects.create(tariff=version.tariff, **terms)


def sent(version, **fields):
    moment = fields.pop("valid_from", LONG_AGO)
    terms = {"tariff": version.tariff_id, "scope": "network", "priority": "0"} | fields
    until = terms.pop("valid_until", None)
    times = {"valid_from_0": moment.strftime("%Y-%m-%d"), "valid_from_1": moment.strftime("%H:%M:%S")}
    if until is not None:
        times |= {"valid_until_0": until.strftime("%Y-%m-%d"), "valid_until_1": until.strftime("%H:%M:%S")}
    return {name: str(value) for name, value in (terms | times).items()}


def errors_of(response):
    return [] if response.status_code == 302 else response.context["adminform"].form.non_field_errors()


def warnings_of(response):
    """(key, words) of what is to be ticked."""
    if response.status_code == 302:
        return []
    return [(warning.key, warning.words) for warning in response.context["adminform"].form.warnings]


def change_page(row):
    return reverse("admin:tariffs_tariffassignment_change", args=[row.pk])


def test_an_assignment_that_brings_an_error_is_refused_and_nothing_is_saved(otto):
    VatRateFactory()
    ConnectorFactory(hpc=True)
    version = published()
    for when in (LONG_AGO, clock.now() + timedelta(days=30)):
        (words,) = errors_of(otto.post(ADD, sent(version, valid_from=when)))
        assert "ad hoc" in words.lower()
    assert not TariffAssignment.objects.exists()
    assert errors_of(otto.post(ADD, sent(version, channel="rfid"))) == []
    assert TariffAssignment.objects.get().channel == "rfid"


def test_a_change_is_checked_and_what_was_wrong_before_can_be_ended(otto):
    VatRateFactory()
    ConnectorFactory(hpc=True)
    version = published()
    row = TariffAssignment.objects.create(tariff=version.tariff, scope="network", channel="rfid", valid_from=LONG_AGO)
    page = change_page(row)
    (words,) = errors_of(otto.post(page, sent(version)))
    assert "ad hoc" in words.lower()
    row.refresh_from_db()
    assert row.channel == "rfid"
    TariffAssignment.objects.update(channel="")
    ended = sent(version, valid_until=clock.now() + timedelta(days=1))
    ((key, _words),) = warnings_of(otto.post(page, ended))
    assert otto.post(page, {**ended, "accepted": key}).status_code == 302
    row.refresh_from_db()
    assert row.valid_until is not None


def test_a_version_that_is_not_in_force_yet_counts_too(otto):
    VatRateFactory()
    ConnectorFactory(hpc=True)
    now = published(tariff_document(element(component("ENERGY", "0.49"))))
    TariffVersionFactory(
        tariff=now.tariff, number=2, document=WITH_START_FEE, valid_from=clock.now() + timedelta(days=9)
    )
    assert len(errors_of(otto.post(ADD, sent(now)))) == 1


def test_a_country_without_vat_is_named(otto):
    VatRateFactory(country="DE")
    ConnectorFactory(evse__charge_point__location__country="NL", evse__charge_point__location__region__country="NL")
    (words,) = errors_of(otto.post(ADD, sent(published())))
    assert "NL" in words


def test_a_warning_is_ticked_by_name_and_kept_with_who_ticked_it(otto):
    VatRateFactory()
    model = ChargePointModel.objects.create(vendor="Volt", name="One", reports_current=False)
    ConnectorFactory(evse__charge_point__model=model)
    document = tariff_document(
        element(component("ENERGY", "0.39"), max_current=16), element(component("ENERGY", "0.49"))
    )
    terms = sent(published(document))
    assert 'name="accepted"' not in otto.get(ADD).content.decode()
    refused = otto.post(ADD, terms)
    ((key, words),) = warnings_of(refused)
    assert "depends on the current" in words
    html = refused.content.decode()
    assert "Tick each warning that is meant to be so, or correct it." in html
    assert f'type="checkbox" name="accepted" value="{key}"' in html
    assert otto.post(ADD, {**terms, "accepted": "something else"}).status_code == 200
    assert not TariffAssignment.objects.exists()
    assert otto.post(ADD, {**terms, "accepted": key}).status_code == 302
    (event,) = AuditEvent.objects.filter(action="assignment_warnings_accepted")
    assert event.data["accepted_warnings"] == [{"code": "current_not_reported", "words": words}]
    assert event.actor is not None


# --- Others than its own tariff ------------------------------------------------------------------------------------


def test_who_would_be_left_without_a_tariff_is_named(otto):
    VatRateFactory()
    slow, fast = ConnectorFactory(), ConnectorFactory(hpc=True)
    ContractTypeFactory(name="Flex")
    version = published(ENERGY)
    row = assign(version)
    for terms, moment in (
        (sent(version, power_class="HPC"), ""),
        (sent(version, valid_until=clock.now() + timedelta(days=30)), "From "),
    ):
        ((_key, words),) = warnings_of(otto.post(change_page(row), terms))
        assert words.startswith(moment)
        assert "for: ad hoc, without a contract; Flex. They" in words
        assert str(slow) in words
        assert (str(fast) in words) is bool(moment)
        row.refresh_from_db()
        assert (row.power_class, row.valid_until) == ("", None)
    for channel, others in (("ad_hoc", "Flex"), ("app", "ad hoc, without a contract; Flex, by card")):
        ((_key, words),) = warnings_of(otto.post(change_page(row), sent(version, channel=channel)))
        assert f"for: {others}. They" in words
    everybody_else = published(ENERGY)
    assign(everybody_else)
    assert otto.post(change_page(row), sent(version, power_class="HPC")).status_code == 302


def test_a_gap_that_opens_later_on_is_found(otto):
    """The other assignment carries everybody until it ends itself."""
    VatRateFactory()
    ConnectorFactory()
    version, other = published(ENERGY), published(ENERGY)
    row = assign(version)
    assign(other, valid_until=clock.now() + timedelta(days=60))
    ((_key, words),) = warnings_of(
        otto.post(change_page(row), sent(version, valid_until=clock.now() + timedelta(days=1)))
    )
    assert date_format(timezone.localtime(clock.now() + timedelta(days=60)), "DATE_FORMAT") in words


def test_drivers_in_a_group_of_their_own_are_customers_too(otto):
    VatRateFactory()
    ConnectorFactory()
    group = CustomerGroupFactory(name="Neighbours")
    kind = ContractTypeFactory(name="Flex")
    ContractFactory(contract_type=kind, driver=DriverFactory(customer_group=group))
    version, everybody = published(ENERGY), published(ENERGY)
    row = assign(version, customer_group=group)
    assign(everybody, contract_type=kind, channel="app")
    ((_key, words),) = warnings_of(otto.post(change_page(row), sent(version, customer_group=group.pk, channel="app")))
    assert "for: Flex in the group “Neighbours”, by card. They" in words


def test_a_change_may_not_let_another_tariff_count_where_it_is_not_allowed(otto):
    VatRateFactory()
    ConnectorFactory()
    fast = ConnectorFactory(hpc=True)
    hidden = TariffVersionFactory(document=WITH_START_FEE, tariff__name="Old days")
    assign(hidden)
    allowed = published(ENERGY)
    row = assign(allowed, power_class="HPC", channel="ad_hoc")
    for change in ({"channel": "rfid"}, {"power_class": "AC"}, {"valid_until": clock.now() + timedelta(days=9)}):
        terms = sent(allowed, **{"power_class": "HPC", "channel": "ad_hoc", **change})
        (words,) = errors_of(otto.post(change_page(row), terms))
        assert words.startswith("The tariff “Old days” would count for ad hoc customers then: FLAT is not allowed")
        assert str(fast) in words
    row.refresh_from_db()
    assert (row.channel, row.power_class, row.valid_until) == ("ad_hoc", "HPC", None)


def test_the_number_of_queries_does_not_grow_with_the_network(django_assert_max_num_queries):
    VatRateFactory()
    version = published(ENERGY)
    row = assign(version)
    for _ in range(4):
        location = LocationFactory()
        assign(version, scope="location", location=location)
        for _ in range(3):
            ConnectorFactory(evse__charge_point__location=location)
        ContractTypeFactory()
    row.power_class = "HPC"
    with django_assert_max_num_queries(7):
        findings_elsewhere(row)
