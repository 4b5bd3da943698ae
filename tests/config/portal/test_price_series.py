"""The price series in the portal: what is known, bringing in a file, fetching."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from tariffs.admin.price_chart import price_chart
from tariffs.models import PriceImport, PriceSeries, PriceSeriesValue
from tariffs.services.price_series import record_refusal
from tests.factories import ChargePointFactory, PriceSeriesFactory, RegionFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 17, 10, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
CSV = "start;price\n2026-06-17 12:00;81,2\n2026-06-17 13:00;-10\n"
ROLES_THAT_LOOK = ("Operations", "Support", "Read-only")


def page(series: PriceSeries, name: str = "change") -> str:
    return reverse(f"admin:tariffs_priceseries_{name}", args=[series.pk])


def upload(client: Client, series: PriceSeries, text: str = CSV, unit: str = "mwh") -> str:
    file = SimpleUploadedFile("ahead.csv", text.encode(), "text/csv")
    return client.post(page(series, "upload"), {"file": file, "unit": unit}).content.decode()


@pytest.fixture(autouse=True)
def at_noon_in_berlin():
    with time_machine.travel(NOW, tick=False):
        yield


def test_a_file_is_looked_at_and_then_taken_over(log_in):
    fina, series = log_in("Finance"), PriceSeriesFactory()
    PriceSeriesValue.objects.create(series=series, start_at=NOW.replace(minute=0), price=Decimal("0.09"))
    preview = upload(fina, series)
    assert "New: 1, corrected: 1, as before: 0." in preview
    assert "instead of 0.09" in preview
    assert PriceSeriesValue.objects.count() == 1
    sent = {"name": "ahead.csv", "unit": "mwh", "content": CSV, "confirmed": "1"}
    answer = fina.post(page(series, "upload"), sent, follow=True).content.decode()
    assert "Taken over: 1 new prices, 1 corrected, 0 as before." in answer
    values = PriceSeriesValue.objects.order_by("start_at").values_list("start_at", "price")
    assert list(values) == [
        (datetime(2026, 6, 17, 10, tzinfo=UTC), Decimal("0.0812")),
        (datetime(2026, 6, 17, 11, tzinfo=UTC), Decimal("-0.01")),
    ]
    assert (PriceImport.objects.get().origin, PriceImport.objects.get().actor.email) == (
        "upload",
        "finance@example.org",
    )


def test_every_defect_of_a_file_is_shown_and_nothing_is_saved(log_in):
    fina, series = log_in("Finance"), PriceSeriesFactory()
    answer = upload(fina, series, "start,price\nnow,1\n2026-06-17T10:00Z,NaN\n", unit="kwh")
    assert "line 2: the start “now” is not a time" in answer
    assert "line 3: NaN is not a price" in answer
    assert '<option value="kwh" selected>' in answer
    sent = {"name": "ahead.csv", "unit": "kwh", "content": "start,price\nnow,1\n", "confirmed": "1"}
    assert "line 2: the start" in fina.post(page(series, "upload"), sent).content.decode()
    assert not PriceSeriesValue.objects.exists()


def test_the_unit_has_to_be_chosen(log_in):
    series = PriceSeriesFactory()
    assert "This field is required." in upload(log_in("Finance"), series, unit="")


@pytest.mark.parametrize("role", ROLES_THAT_LOOK)
def test_who_only_looks_brings_nothing_in(log_in, role):
    client, series = log_in(role), PriceSeriesFactory(source="/srv/prices/ahead.csv", source_unit="kwh")
    seen = client.get(page(series)).content.decode()
    assert "Upload prices" not in seen
    assert "Fetch now" not in seen
    assert client.get(page(series, "upload")).status_code == 403
    assert client.post(page(series, "pull"), {"confirmed": "1"}).status_code == 403
    assert client.get(reverse("admin:tariffs_priceseries_add")).status_code == 403
    assert not OrmQ.objects.exists()


def test_the_page_says_what_is_known_and_what_went_wrong(log_in):
    series = PriceSeriesFactory()
    PriceSeriesValue.objects.create(series=series, start_at=NOW.replace(minute=0), price=Decimal("0.08123"))
    record_refusal(series_id=series.pk, source="https://prices.example.org/", origin="pull", problem="It was away.")
    seen = log_in("Finance").get(page(series)).content.decode()
    assert "0.08123" in seen
    assert "47 steps have no price: tariffs use their fallback then." in seen
    assert "It was away." in seen
    assert "The same happened" not in seen
    assert "No prices have come in yet." in seen
    for _ in range(2):
        record_refusal(series_id=series.pk, source="https://prices.example.org/", origin="pull", problem="It was away.")
    assert "The same happened 2 more times" in log_in("Finance").get(page(series)).content.decode()


def test_a_fetch_is_queued(log_in):
    series = PriceSeriesFactory(source="/srv/prices/ahead.csv", source_unit="kwh")
    sent = {"key": "8f14e45f-ceea-467f-a8f1-000000000002", "reason": "now", "confirmed": "1"}
    log_in("Finance").post(page(series, "pull"), sent)
    assert OrmQ.objects.get().task["func"] == "tariffs.tasks.pull_prices"


class TestEditing:
    FIELDS = {
        "code": "DE-LU", "name": "Day ahead", "currency": "EUR", "step_minutes": "15", "time_zone": "Europe/Berlin",
        "source": "", "source_unit": "", "imports-TOTAL_FORMS": "0", "imports-INITIAL_FORMS": "0",
    }  # fmt: skip

    def add(self, client, **changes):
        return client.post(reverse("admin:tariffs_priceseries_add"), self.FIELDS | changes).content.decode()

    def test_a_series_is_added(self, log_in):
        self.add(log_in("Finance"))
        assert PriceSeries.objects.get().step_minutes == 15

    def test_a_source_must_be_permitted_and_say_its_unit(self, log_in, settings):
        client = log_in("Finance")
        assert "This source is not allowed." in self.add(
            client, source="https://prices.example.org/", source_unit="kwh"
        )
        settings.PRICE_SERIES_SOURCES = ["https://prices.example.org/"]
        assert "Say what the prices of the source are per." in self.add(client, source="https://prices.example.org/x")
        assert not PriceSeries.objects.exists()

    def test_a_series_is_for_one_place(self, log_in):
        places = {"region": str(RegionFactory().pk), "charge_point": str(ChargePointFactory().pk)}
        assert "not for both" in self.add(log_in("Finance"), **places)
        assert not PriceSeries.objects.exists()

    def test_what_values_depend_on_stays(self, log_in):
        series = PriceSeriesFactory()
        client = log_in("Finance")
        client.post(page(series), self.FIELDS | {"name": "Renamed", "step_minutes": "15", "currency": "CHF"})
        series.refresh_from_db()
        assert (series.name, series.step_minutes, series.currency) == ("Renamed", 60, "EUR")


class TestChart:
    def test_gaps_stand_out_and_negative_prices_hang_below_zero(self):
        steps = [(NOW.replace(minute=0) + index * HOUR, price) for index, price in enumerate(PRICES)]
        chart = price_chart(steps, "Europe/Berlin")
        assert [bar.is_gap for bar in chart.bars] == [False, True, False]
        assert (chart.gaps, chart.scale) == (1, (("138.0", "-0.1"), ("106.5", "0"), ("12.0", "0.3")))
        assert [(bar.y, bar.height) for bar in chart.bars] == [("12.0", "94.5"), ("12.0", "126.0"), ("106.5", "31.5")]
        assert [hour.prices for hour in chart.hours] == [("0.3",), (None,), ("-0.1",)]

    def test_the_repeated_hour_is_two(self):
        quarter = timedelta(minutes=15)
        start_at = datetime(2026, 10, 24, 23, tzinfo=UTC)
        chart = price_chart([(start_at + index * quarter, Decimal(1)) for index in range(16)], "Europe/Berlin")
        assert [hour.hour for hour in chart.hours] == ["01:00", "02:00+0200", "02:00+0100", "03:00"]
        assert {len(hour.prices) for hour in chart.hours} == {4}


PRICES = (Decimal("0.3"), None, Decimal("-0.1"))
