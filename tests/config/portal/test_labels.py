"""QR labels: every connector's code, on paper, read by a decoder that is not ours."""

from io import BytesIO
from typing import Any

import pytest
import zxingcpp
from django.conf import settings
from django.test import Client
from django.urls import reverse
from PIL import Image, ImageDraw

from accounts.roles import ROLES
from config.admin.locations import qr_of
from locations.models import ChargePoint, Connector
from tests.config.portal.staff import browser_of
from tests.factories import ConnectorFactory, DriverFactory, LocationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def connector(db: None) -> Connector:
    connector: Connector = ConnectorFactory()
    return connector


def labels(connector: Connector, browser: Client, **query: str) -> Any:
    address = reverse("admin:locations_location_labels", args=[connector.charge_point.location_id])
    return browser.get(address, query)


def scanned(address: str, *, is_scratched: bool = False) -> str:
    """What a scanner reads of an address's code as it is printed."""
    picture = BytesIO()
    qr_of(address).save(picture, kind="png", scale=8, border=4)
    image = Image.open(picture).convert("L")
    if is_scratched:
        middle, half = image.width // 2, image.width // 10
        ImageDraw.Draw(image).rectangle([middle - half, middle - half, middle + half, middle + half], fill=255)
    (found,) = zxingcpp.read_barcodes(image)
    return str(found.text)


def test_a_label_says_and_codes_the_connector_s_page(connector: Connector) -> None:
    page = labels(connector, browser_of("Operations"))
    (label,) = page.context["labels"]
    address = f"{settings.SITE_URL}/c/{connector.code}/"
    assert label.address == address
    assert label.qr == qr_of(address).svg_data_uri(border=0, scale=4, xmldecl=False)
    assert scanned(address) == scanned(address, is_scratched=True) == address
    text = page.content.decode()
    assert all(words in text for words in (connector.code, address, str(connector.evse), "connector 1"))
    assert Client().get(f"/c/{connector.code}/").status_code == 200


def test_one_sheet_or_one_label_each(connector: Connector) -> None:
    otto = browser_of("Operations")
    assert "@page { size: A4;" in labels(connector, otto).content.decode()
    assert "@page { size: 62mm 100mm;" in labels(connector, otto, size="label").content.decode()
    assert labels(connector, otto, size="poster").status_code == 404


def test_only_the_location_s_own_connectors_in_service(connector: Connector) -> None:
    ConnectorFactory(evse__charge_point__location=LocationFactory(code="elsewhere"))
    ChargePoint.objects.filter(pk=connector.charge_point_id).update(admission=ChargePoint.Admission.RETIRED)
    page = labels(connector, browser_of("Operations"))
    assert page.context["labels"] == []
    assert "No charge point in service stands here yet." in page.content.decode()


def test_labels_are_for_staff_who_see_the_network(connector: Connector) -> None:
    assert {role: labels(connector, browser_of(role)).status_code for role in ROLES} == dict.fromkeys(ROLES, 200)
    assert labels(connector, Client()).status_code == 302
    driver = Client()
    driver.force_login(DriverFactory().user, backend="django.contrib.auth.backends.ModelBackend")
    assert labels(connector, driver).status_code in (302, 403)
    otto = browser_of("Operations")
    assert otto.get(reverse("admin:locations_location_labels", args=[987654])).status_code == 404
