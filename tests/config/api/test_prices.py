"""Tariffs as OCPI says them, and market prices sent by another system."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import ApiKey
from tariffs.domain import jsontext
from tariffs.models import PriceImport, PriceSeries, PriceSeriesValue, TariffVersion
from tests.config.api.callers import Caller
from tests.factories import TariffFactory, TariffVersionFactory, component, element, tariff_document

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_the_version_in_force_of_each_tariff_in_either_ocpi_version(django_assert_num_queries) -> None:
    caller = Caller()
    limit = {"before_taxes": 5}
    document = tariff_document(element(component("ENERGY", "0.40")), max_price=limit)
    first = TariffVersionFactory(tariff__code="city", document=tariff_document(element(component("ENERGY", "0.1"))))
    TariffVersionFactory(tariff=first.tariff, number=2, document=document)
    TariffVersionFactory(tariff=first.tariff, number=3, status=TariffVersion.Status.DRAFT, published_at=None)
    TariffFactory(code="empty")
    gross = tariff_document(element(component("ENERGY", "0.49", vat="19")), tax_included="YES")
    TariffVersionFactory(tariff__code="gross", document=gross)
    caller.get("/api/v1/tariffs/")

    with django_assert_num_queries(2):
        newer = caller.get("/api/v1/tariffs/").json()["results"]
    older = {row["id"]: row for row in caller.get("/api/v1/tariffs/?version=2.2.1").json()["results"]}

    assert [(row["id"], row["version"]) for row in newer] == [("gross", 1), ("city", 2)]
    assert newer[0]["ocpi"]["tax_included"] == "YES"
    assert newer[1]["ocpi"]["max_price"] == {"before_taxes": 5}
    assert older["city"]["ocpi"]["max_price"] == {"excl_vat": 5}
    assert caller.get("/api/v1/tariffs/city/").json() == newer[1]
    assert caller.get("/api/v1/tariffs/empty/").status_code == 404
    assert caller.get("/api/v1/tariffs/?version=3").status_code == 400
    assert (older["gross"]["ocpi"] is None) is bool(older["gross"]["cannot_say"])


def test_a_tariff_sent_becomes_a_draft_and_nobody_pays_by_it() -> None:
    caller = Caller(ApiKey.Scope.TARIFFS_WRITE, ApiKey.Scope.TARIFFS_READ)
    ocpi = tariff_document(element(component("ENERGY", "0.490")), type="REGULAR", end_date_time="2099-01-01T00:00:00Z")
    body = f'{{"ocpi": {ocpi}, "code": "partner"}}'

    first = caller.send("/api/v1/tariffs/", body)
    again = caller.send("/api/v1/tariffs/", body)
    in_cents = caller.send("/api/v1/tariffs/", body.replace("0.490", "49"), key="order-2")
    meant = caller.send(
        "/api/v1/tariffs/", body.replace("0.490", "49")[:-1] + ', "accept": ["implausible_price"]}', "3"
    )

    version = TariffVersion.objects.get(number=1)
    assert (first.status_code, again.content) == (201, first.content)
    assert first.json() == {
        "id": "partner", "version": 1, "status": "draft", "digest": version.digest,
        "valid_from": first.json()["valid_from"], "valid_until": "2099-01-01T00:00:00Z",
    }  # fmt: skip
    assert jsontext.loads(version.source) == jsontext.loads(ocpi)
    assert (in_cents.status_code, in_cents.json()["errors"][0]["path"]) == (
        400,
        "tariff.elements[0].price_components[0].price",
    )
    assert (meant.status_code, meant.json()["version"]) == (201, 2)
    assert caller.get("/api/v1/tariffs/").json()["results"] == []
    for scope in (ApiKey.Scope.TARIFFS_READ, ApiKey.Scope.PRICES_WRITE):
        assert Caller(scope).send("/api/v1/tariffs/", body).status_code == 403
    assert Client().post("/api/v1/tariffs/", body, content_type="application/json").status_code == 401
    assert TariffVersion.objects.count() == 2


def test_market_prices_are_taken_once_and_corrected() -> None:
    caller = Caller(ApiKey.Scope.PRICES_WRITE)
    series = PriceSeries.objects.create(code="DE-LU", name="Day ahead", currency="EUR", time_zone="Europe/Berlin")
    address = f"/api/v1/price-series/{series.pk}/values/"
    body = {"values": [{"start_at": "2026-11-20T13:00:00+01:00", "price": "0.1234"}]}

    first = caller.send(address, body)
    again = caller.send(address, body)
    body["values"][0]["price"] = "0.2"
    corrected = caller.send(address, body, key="order-2")

    assert (first.status_code, first.json()) == (
        201,
        {"series": series.pk, "added": 1, "changed": 0, "unchanged": 0},
    )
    assert again.content == first.content
    assert corrected.json()["changed"] == 1
    assert list(PriceSeriesValue.objects.values_list("start_at", "price")) == [(NOON, Decimal("0.2"))]
    assert PriceImport.objects.filter(origin="api").count() == 2


def test_prices_that_do_not_fit_change_nothing() -> None:
    caller = Caller()
    series = PriceSeries.objects.create(code="DE-LU", name="Day ahead", currency="EUR", time_zone="Europe/Berlin")
    address = f"/api/v1/price-series/{series.pk}/values/"
    off_step = {"values": [{"start_at": "2026-11-20T12:07:00Z", "price": "0.1"}]}
    wrong = {"values": [{"start_at": "2026-11-20T12:00:00", "price": "NaN", "unit": "MWh"}]}

    assert caller.send(address, off_step).status_code == 400
    assert caller.send(address, wrong, key="2").status_code == 400
    assert caller.send(address, {"values": []}, key="3").status_code == 400
    assert caller.send("/api/v1/price-series/999999/values/", off_step, key="4").status_code == 404
    assert Client().post(address, off_step, content_type="application/json").status_code == 401
    assert Caller(ApiKey.Scope.TARIFFS_READ).send(address, off_step).status_code == 403
    assert not PriceSeriesValue.objects.exists()
