"""Assigning a published tariff in the portal: where it is not allowed it is refused, what is doubtful is said."""

from datetime import timedelta

import pytest
from django.urls import reverse

from common import clock
from locations.models import ChargePointModel
from tariffs.models import TariffAssignment
from tests.factories import (
    LONG_AGO,
    ConnectorFactory,
    StaffFactory,
    TariffVersionFactory,
    VatRateFactory,
    component,
    element,
    tariff_document,
)

pytestmark = pytest.mark.django_db

ADD = reverse("admin:tariffs_tariffassignment_add")
WITH_START_FEE = tariff_document(element(component("ENERGY", "0.49")), element(component("FLAT", "1")))


@pytest.fixture
def otto(client):
    client.force_login(StaffFactory())
    return client


def published(document: str = WITH_START_FEE):
    return TariffVersionFactory(document=document)


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
    page = reverse("admin:tariffs_tariffassignment_change", args=[row.pk])
    (words,) = errors_of(otto.post(page, sent(version)))
    assert "ad hoc" in words.lower()
    row.refresh_from_db()
    assert row.channel == "rfid"
    TariffAssignment.objects.update(channel="")
    assert errors_of(otto.post(page, sent(version, valid_until=clock.now() + timedelta(days=1)))) == []
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


def test_a_warning_is_said_and_does_not_stand_in_the_way(otto):
    VatRateFactory()
    model = ChargePointModel.objects.create(vendor="Volt", name="One", reports_current=False)
    ConnectorFactory(evse__charge_point__model=model)
    document = tariff_document(
        element(component("ENERGY", "0.39"), max_current=16), element(component("ENERGY", "0.49"))
    )
    answer = otto.post(ADD, sent(published(document)), follow=True)
    assert TariffAssignment.objects.count() == 1
    assert "Please look at this: " in answer.content.decode()
