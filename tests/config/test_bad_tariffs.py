"""A bad tariff file is refused alike wherever it comes in, with the path and reason of every defect."""

from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.models import ApiKey, AuditEvent
from tariffs.domain import jsontext
from tariffs.models import Tariff, TariffVersion
from tests.config.api.callers import Caller
from tests.config.portal.staff import browser_of
from tests.factories import component, element, tariff_document

pytestmark = pytest.mark.django_db

PRICE = element(component("ENERGY", "0.49"))
DAY = element(component("ENERGY", "0.49"), start_time="08:00", end_time="20:00")
EVENING = element(component("ENERGY", "0.39"), start_time="18:00", end_time="23:00")
BAD = {
    "unknown fields": tariff_document(
        PRICE, element({**component("ENERGY", "0.49"), "unit": "MWh"}, weather="sunny"), colour="red"
    ),
    "other units": tariff_document(
        element(component("ENERGY", "49")), element(component("TIME", "0.49"), max_power=11_000)
    ),
    "NaN": tariff_document(element(component("ENERGY", "0.49"))).replace("0.49", "NaN"),
    "Infinity": tariff_document(PRICE, max_price={"excl_vat": Decimal("0.77")}).replace("0.77", "-Infinity"),
    "10,000 elements": tariff_document(*[PRICE] * 10_000),
    "overlap": tariff_document(DAY, EVENING),
    "bad time zone": tariff_document(PRICE, time_zone="Mars/Olympus", start_date_time="2026-01-01T00:00:00+27:00"),
    "backwards": tariff_document(PRICE, start_date_time="2026-02-01T00:00:00Z", end_date_time="2026-01-01T00:00:00Z"),
    "a key twice": tariff_document(PRICE).replace('"currency"', '"id": "other", "currency"'),
    "text that is none": tariff_document(PRICE).replace('"test"', '"\\ud800"'),
    "no ids": jsontext.dumps({"currency": "EURO", "elements": []}),
}
PATHS = {
    "unknown fields": [
        "tariff.elements[1].price_components[0].unit", "tariff.elements[1].restrictions.weather", "tariff.colour",
    ],
    "other units": ["tariff.elements[0].price_components[0].price", "tariff.elements[1].restrictions.max_power"],
    "NaN": ["tariff.elements[0].price_components[0].price"],
    "Infinity": ["tariff.max_price.excl_vat", "tariff.max_price"],
    "10,000 elements": ["tariff.elements"],
    "overlap": ["tariff.elements[1].price_components[0]"],
    "bad time zone": ["tariff.start_date_time", "tariff.time_zone"],
    "backwards": ["tariff.end_date_time"],
    "no ids": [
        "tariff.currency", "tariff.elements", "tariff.id", "tariff.country_code", "tariff.party_id",
        "tariff.last_updated",
    ],
}  # fmt: skip


def by_upload(text: str, tmp_path: Path) -> list[str]:
    file = SimpleUploadedFile("tariff.json", text.encode())
    page = browser_of("Finance").post(reverse("admin:tariffs_tariff_import"), {"file": file})
    return list(page.context["form"].errors["file"])[1:]


def by_api(text: str, tmp_path: Path) -> list[str]:
    answer = Caller(ApiKey.Scope.TARIFFS_WRITE).send("/api/v1/tariffs/", f'{{"ocpi": {text}}}')
    assert answer.status_code == 400
    return [f"{error['path']}: {error['message']}" for error in answer.json()["errors"]]


def by_command(text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "tariff.json"
    file.write_text(text)
    told = StringIO()
    with pytest.raises(CommandError):
        call_command("import_tariff", str(file), "--json", stdout=told)
    return list(jsontext.loads(told.getvalue())["details"])


@pytest.mark.parametrize("name", BAD)
def test_every_way_in_names_every_defect_and_saves_nothing(name: str, tmp_path: Path) -> None:
    told = by_command(BAD[name], tmp_path)

    assert by_upload(BAD[name], tmp_path) == told
    # What is no JSON object as it should be is told by its place in the whole body.
    assert [line.replace("$.ocpi", "$", 1) for line in by_api(BAD[name], tmp_path)] == told
    if name in PATHS:
        assert sorted(line.partition(":")[0] for line in told) == sorted(PATHS[name])
    assert all(reason.strip() for _path, _colon, reason in (line.partition(":") for line in told))
    assert not Tariff.objects.exists()
    assert not TariffVersion.objects.exists()
    assert not AuditEvent.objects.filter(action="tariff_imported").exists()
