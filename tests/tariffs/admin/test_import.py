"""A whole OCPI tariff brought in through the portal: all of it is kept, or each defect is told and nothing is saved."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from tariffs.domain.exchange import OcpiVersion
from tariffs.models import Tariff, TariffVersion
from tariffs.services.exchange import export_tariff
from tests.config.portal.staff import browser_of, member
from tests.factories import DriverFactory, TariffFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db

PAGE = "admin:tariffs_tariff_import"
GREEN = {"is_green_energy": True}


def whole(*elements: dict, **fields: object) -> str:
    return tariff_document(*(elements or (element(component("ENERGY", "0.49")),)), **fields)


def sent(browser: Client, text: str, **fields: str):
    return browser.post(reverse(PAGE), {"file": SimpleUploadedFile("tariff.json", text.encode()), **fields})


@pytest.fixture
def fina() -> Client:
    return browser_of("Finance")


def test_a_file_becomes_a_draft_with_all_it_says(fina: Client) -> None:
    assert reverse(PAGE) in fina.get(reverse("admin:tariffs_tariff_changelist")).content.decode()
    text = whole(energy_mix=GREEN, tariff_alt_text=[{"language": "en", "text": "Green days"}])

    answer = sent(fina, text, code="green")

    version = TariffVersion.objects.get()
    assert answer["Location"] == reverse("admin:tariffs_tariffversion_change", args=[version.pk])
    assert (version.tariff.code, version.tariff.name, version.status) == ("green", "Green days", "draft")
    assert json.loads(version.source)["energy_mix"] == GREEN
    assert AuditEvent.objects.get(action="tariff_imported").actor == member(fina)


def test_every_defect_is_listed_and_nothing_is_saved(fina: Client) -> None:
    broken = whole(element(component("ENERGY", "0.49"), min_kwh="ten"), colour="red")
    html = sent(fina, broken).content.decode()
    assert "tariff.colour: is not a known field here" in html
    assert "tariff.elements[0].restrictions.min_kwh" in html
    assert "This field is required." in fina.post(reverse(PAGE), {}).content.decode()
    assert "too large" in sent(fina, " " * 5_000_001).content.decode()
    assert not Tariff.objects.exists()


def test_what_looks_like_other_units_is_imported_once_somebody_says_so(fina: Client) -> None:
    in_cents = whole(element(component("ENERGY", "49")))
    assert "tariff.elements[0].price_components[0]" in sent(fina, in_cents).content.decode()
    assert not Tariff.objects.exists()
    assert sent(fina, in_cents, accepts_doubts="on").status_code == 302
    assert TariffVersion.objects.count() == 1


def test_the_editor_keeps_a_whole_object_too(fina: Client) -> None:
    tariff = TariffFactory()
    address = reverse("admin:tariffs_tariff_draft_json", args=[tariff.pk])
    fina.post(address, {"document": whole(energy_mix=GREEN)})
    first = tariff.versions.get()
    assert export_tariff(first, ocpi=OcpiVersion(OcpiVersion.V230))["energy_mix"] == GREEN

    replaced = {"document": whole(energy_mix={"is_green_energy": False}), "replaces": str(first.pk)}
    fina.post(f"{address}?from={first.pk}", replaced)
    second = tariff.versions.exclude(pk=first.pk).get()
    assert json.loads(second.source)["energy_mix"] == {"is_green_energy": False}

    fee = {"type": "FLAT", "price": 1, "step_size": 1}
    prices_alone = json.dumps({"currency": "EUR", "elements": [{"price_components": [fee]}]})
    fina.post(address, {"document": prices_alone})
    assert tariff.versions.order_by("-number")[0].source == ""


def test_only_those_who_may_make_tariffs_import() -> None:
    for role in ("Support", "Read-only", "Operations"):
        browser = browser_of(role)
        assert browser.get(reverse(PAGE)).status_code == 403
        assert sent(browser, whole()).status_code == 403
        assert reverse(PAGE) not in browser.get(reverse("admin:tariffs_tariff_changelist")).content.decode()
    driver = Client()
    driver.force_login(DriverFactory().user)
    assert driver.get(reverse(PAGE), follow=True).status_code == 403
    assert not Tariff.objects.exists()
