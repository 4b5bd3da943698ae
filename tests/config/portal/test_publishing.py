"""Publishing a version in the portal: errors are shown, each warning is ticked."""

import pytest
from django.urls import reverse

from tariffs.services.versions import draft_version
from tests.factories import StaffFactory, TariffFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db

BY_DAY = element(component("ENERGY", "0.49"), start_time="08:00", end_time="20:00")


def page_of(version):
    return reverse("admin:tariffs_tariffversion_publish", args=[version.pk])


def sent(**fields):
    return {"key": "7d2b1d8e-5a52-4b43-9d8b-3f1a0c5f5a10", "reason": "new prices", **fields}


def test_a_warning_has_to_be_ticked_before_a_version_is_published(client):
    client.force_login(StaffFactory())
    version = draft_version(tariff_id=TariffFactory().pk, ocpi_text=tariff_document(BY_DAY))
    page = client.get(page_of(version))
    assert "Energy has no price: 00:00–08:00 and 20:00–24:00" in page.content.decode()
    client.post(page_of(version), sent(confirmed="1"))
    version.refresh_from_db()
    assert version.status == "draft"
    back = client.post(page_of(version), sent(confirmed="1", accepted="gap tariff.elements ENERGY"))
    assert back.status_code == 302
    version.refresh_from_db()
    assert version.status == "published"


def test_an_error_is_shown_and_cannot_be_ticked(client):
    client.force_login(StaffFactory())
    general = element(component("ENERGY", "0.49"))
    version = draft_version(tariff_id=TariffFactory().pk, ocpi_text=tariff_document(general, BY_DAY))
    page = client.post(page_of(version), sent(confirmed="1", accepted="unreachable_element tariff.elements[1]"))
    assert "This rule never decides" in page.content.decode()
    version.refresh_from_db()
    assert version.status == "draft"
